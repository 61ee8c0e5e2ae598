/** The kinds of zones in words, the gravest first. */
import { t, type Key } from '../i18n'
import { zh } from '../i18n/zh'

export const ZONE_KINDS = ['danger', 'no_go', 'hot', 'warm', 'cold', 'cordon', 'safe', 'assembly', 'entry', 'sector', 'staging', 'search', 'water', 'other'] as const
export const kindWords = (kind: string): string => (`zone_${kind}` in zh ? t(`zone_${kind}` as Key) : kind)
