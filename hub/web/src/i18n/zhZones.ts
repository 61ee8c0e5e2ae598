/** Words of the kinds of zones that are not in `zhSafety.ts`: docs/zones.md. */
export const zhZones = {
  zone_no_go: '禁入区',
  zone_hot: '热区',
  zone_warm: '温区',
  zone_cold: '冷区',
  zone_safe: '安全区',
  zone_assembly: '集合点',
} as const
