/** Tells the hub which alarms stand before somebody's eyes: drawn, on a page that is in sight. Each once a connection. */
import { hello, socket } from './core'

const IDS_MAX = 100
let of: unknown = null
let told = new Set<string>()

/** After two frames, so that it was painted and not only meant. */
export function drawn(ids: readonly string[]): void {
  requestAnimationFrame(() => requestAnimationFrame(() => {
    if (document.hidden || hello.peek() === null) return
    if (of !== hello.peek()) {
      of = hello.peek()
      told = new Set()
    }
    const news = ids.filter((id) => !told.has(id)).slice(0, IDS_MAX)
    if (news.length === 0) return
    for (const id of news) told.add(id)
    socket.send({ k: 'shown', ids: news })
  }))
}
