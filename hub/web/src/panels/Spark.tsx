/** One curve on the common axis of the drawer: the band between least and greatest, broken where nothing came. */
import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Series } from '../api/http'
import { theme } from '../app/theme'
import { SPARK_INKS } from '../tokens'

const HEIGHT_PX = 44
/** Where on the common axis the pointer stands, hub ms; null: nowhere. All curves tell their value there. */
export const cursorAt = signal<number | null>(null)
/** A line over a longer silence would claim to know what was between. */
const GAP_MS = 60_000

export function Spark({ series, fromMs, toMs }: { series: Series; fromMs: number; toMs: number }) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const look = theme.value
  useEffect(() => {
    const place = box.current!
    plot.current = new uPlot(options(place.clientWidth, SPARK_INKS[look]), [[], [], []], place)
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: place.clientWidth, height: HEIGHT_PX }))
    watch.observe(place)
    return () => {
      watch.disconnect()
      plot.current?.destroy()
      plot.current = null
    }
  }, [look])
  useEffect(() => {
    plot.current?.setData(broken(series), false)
    plot.current?.setScale('x', { min: fromMs / 1000, max: toMs / 1000 })
  }, [series, fromMs, toMs, look])
  return <div class="spark" ref={box} aria-hidden="true" />
}

function options(width: number, [line, band]: readonly [string, string]): uPlot.Options {
  return {
    width: Math.max(60, width),
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: 'unit' } },
    hooks: { setCursor: [(plot) => void (cursorAt.value = plot.cursor.left! < 0 ? null : plot.posToVal(plot.cursor.left!, 'x') * 1000)] },
    axes: [{ show: false }, { show: false }],
    padding: [4, 2, 4, 2],
    scales: { x: { time: false, auto: false }, y: { range: (_plot, low, high) => around(low, high) } },
    series: [{}, { stroke: line, width: 1, points: { show: false } }, { stroke: line, width: 1, points: { show: false } }],
    bands: [{ series: [2, 1], fill: band }],
  }
}

/** A steady value stands in the middle and not on the floor. */
function around(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1]
  const room = Math.max((high - low) * 0.1, Math.abs(high) * 0.02, 0.5)
  return [low - room, high + room]
}

function broken({ t, min, max }: Series): uPlot.AlignedData {
  const [x, low, high]: [number[], (number | null)[], (number | null)[]] = [[], [], []]
  t.forEach((at, i) => {
    if (i > 0 && at - t[i - 1]! > GAP_MS) {
      x.push((t[i - 1]! + 1) / 1000)
      low.push(null)
      high.push(null)
    }
    x.push(at / 1000)
    low.push(min[i] ?? null)
    high.push(max[i] ?? null)
  })
  return [x, low, high]
}
