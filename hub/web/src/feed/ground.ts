/** The messages of hub.maps as types, and out of what msgpack gave: docs/maps.md. */
import { FeedError, isRecord, maps, number, numbers, orNull, plain, text, texts, type Raw } from './raw'
import type { Geometry, Position } from './safety'

export const DRAWING_KINDS = ['line', 'arrow', 'area', 'point', 'rings', 'sector'] as const
export type DrawingKind = (typeof DRAWING_KINDS)[number]

export interface Drawing {
  id: string
  kind: DrawingKind
  geometry: Geometry
  words: string
  sign: string
  ink: string
  radii_m: number[]
  from_deg: number | null
  to_deg: number | null
  agency: string
  by: string
  t_utc_ms: number
  /** 0: only on this screen, the hub does not have it. */
  rev: number
}
export interface Control { x_px: number; y_px: number; lon_deg: number; lat_deg: number }
export interface Placed { method: string; corners: Position[]; residuals_m: number[]; rms_m: number | null; undistorted_rms_m: number | null }
export interface Plan {
  id: string
  name: string
  site: string
  level: number
  width_px: number
  height_px: number
  note: string
  source: string
  t_utc_ms: number
  by: string
  controls: Control[]
  placed: Placed | null
}
export interface DrawingMessage { k: 'drawing'; drawings: Drawing[]; gone: string[] }
export interface PlanMessage { k: 'plan'; plans: Plan[]; gone: string[] }
export type GroundMessage = DrawingMessage | PlanMessage

function id(m: Raw): string {
  const found = text(m.id)
  if (found === '') throw new FeedError('feed: a plan or drawing has no id')
  return found
}

const num = (m: Raw, name: string): number => orNull(number(m[name], name)) ?? 0

/** The same map comes from the HTTP routes. A kind that is not known is left out. */
export function decodeDrawing(m: Raw): Drawing | null {
  const kind = DRAWING_KINDS.find((known) => known === m.kind)
  if (!kind || !isRecord(m.geometry)) return null
  return {
    id: id(m), kind, geometry: plain(m.geometry) as Geometry, words: text(m.words), sign: text(m.sign), ink: text(m.ink), radii_m: numbers(m.radii_m),
    from_deg: orNull(number(m.from_deg, 'from_deg')), to_deg: orNull(number(m.to_deg, 'to_deg')), agency: text(m.agency), by: text(m.by),
    t_utc_ms: num(m, 't_utc_ms'), rev: num(m, 'rev'),
  }
}

export function decodePlan(m: Raw): Plan {
  const { placed } = m
  const corner = (value: unknown): Position => numbers(value).slice(0, 2) as Position
  return {
    id: id(m), name: text(m.name), site: text(m.site), level: num(m, 'level'), width_px: num(m, 'width_px'), height_px: num(m, 'height_px'),
    note: text(m.note), source: text(m.source), t_utc_ms: num(m, 't_utc_ms'), by: text(m.by),
    controls: maps(m.controls).map((c) => ({ x_px: num(c, 'x_px'), y_px: num(c, 'y_px'), lon_deg: num(c, 'lon_deg'), lat_deg: num(c, 'lat_deg') })),
    placed: isRecord(placed) && Array.isArray(placed.corners) && placed.corners.length === 4 ? {
      method: text(placed.method), corners: placed.corners.map(corner), residuals_m: numbers(placed.residuals_m),
      rms_m: orNull(number(placed.rms_m, 'rms_m')), undistorted_rms_m: orNull(number(placed.undistorted_rms_m, 'undistorted_rms_m')),
    } : null,
  }
}

export function decodeGround(m: Raw): GroundMessage | null {
  if (m.k === 'drawing') return { k: 'drawing', drawings: maps(m.drawings).flatMap((one) => decodeDrawing(one) ?? []), gone: texts(m.gone) }
  if (m.k === 'plan') return { k: 'plan', plans: maps(m.plans).map(decodePlan), gone: texts(m.gone) }
  return null
}
