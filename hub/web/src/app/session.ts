/**
 * Who is signed in, and the one-time link.
 *
 * `/#t=TOKEN` is posted and taken out of the address at once: a link that works once has no business in a history.
 */
import { computed, signal } from '@preact/signals'
import { ApiError, session as askSession, signIn, signOut, type Session } from '../api/http'
import { door, doorStatus, hello, socket } from './core'

const AGAIN_MS = 3_000

export const session = signal<Session | null>(null)

export interface Me { name: string; role: string; realm: string; team: string; permissions: string[] }

/** The signed-in person. The feed says it again at each connection, so a changed role is known without a reload. */
export const me = computed<Me | null>(() => {
  const signedIn = session.value
  if (!signedIn) return null
  const { name, realm, team = '' } = signedIn
  const { role = signedIn.role, permissions = signedIn.permissions ?? [] } = hello.value ?? {}
  return { name, role, realm, team, permissions }
})

export const may = (permission: string): boolean => me.value?.permissions.includes(permission) ?? false

/** Whether one may say "seen" of an alarm of this team; a leader of their own team only. */
export const maySee = (team: string): boolean => may('acknowledge') && (me.value?.role !== 'team-leader' || team === me.value.team)

/** Whether the heart rate of a unit of this team may be seen. */
export const mayPhysiology = (team: string): boolean =>
  may('physiology') || (may('physiology-team') && team !== '' && team === me.value?.team)

/** True once a session stands; otherwise `door` says what to do. */
export async function enter(): Promise<boolean> {
  const token = new URLSearchParams(location.hash.slice(1)).get('t')
  if (token) history.replaceState(null, '', location.pathname + location.search)
  door.value = 'opening'
  for (let tokenLeft = token; ; ) {
    try {
      if (tokenLeft) {
        await signIn({ token: tokenLeft })
        tokenLeft = null
      }
      session.value = await askSession()
      door.value = 'in'
      return true
    } catch (error) {
      if (error instanceof ApiError) return refused(error.status, tokenLeft !== null)
      door.value = 'offline'
      await new Promise((done) => setTimeout(done, AGAIN_MS))
    }
  }
}

/** An old link opened again in a browser that is still signed in does no harm. */
async function refused(status: number, token: boolean): Promise<boolean> {
  if (token && status < 500 && status !== 429) {
    try {
      session.value = await askSession()
      door.value = 'in'
      return true
    } catch {
      door.value = 'used'
      return false
    }
  }
  doorStatus.value = status
  door.value = status === 401 ? 'open_link' : 'failed'
  return false
}

/** With name and password; ApiError when it was refused. A reload surely keeps nothing of who sat here before. */
export async function enterAs(name: string, password: string): Promise<void> {
  await signIn({ name, password })
  location.reload()
}

export async function leave(): Promise<void> {
  await signOut().catch(() => undefined)
  socket.stop()
  session.value = null
  hello.value = null
  door.value = 'open_link'
}
