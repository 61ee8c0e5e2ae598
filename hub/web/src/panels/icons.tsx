/** Small signs of buttons, drawn by strokes so that they follow the colour of their words. */
const PATHS = {
  back: 'M9 4L3 10l6 6M3 10h9a5 5 0 0 1 0 10',
  stepBack: 'M14 4L7 10l7 6zM5 4v12',
  stepOn: 'M6 4l7 6-7 6zM15 4v12',
  play: 'M6 3.5L16 10 6 16.5z',
  pause: 'M7 4v12M13 4v12',
  sun: 'M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6L16 16M16 4l-1.4 1.4M5.4 14.6L4 16',
  moon: 'M16 12.5A7 7 0 1 1 8.5 3.5a5.6 5.6 0 0 0 7.5 9z',
  gear: 'M3 5.5h8M15 5.5h2M3 14.5h2M9 14.5h8M13 3.5a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM7 12.5a2 2 0 1 1 0 4 2 2 0 0 1 0-4z',
  map: 'M2.5 5l5-2 5 2 5-2v12l-5 2-5-2-5 2zM7.5 3v12M12.5 5v12',
  bell: 'M4 14.5h12M5.5 14.5V9a4.5 4.5 0 0 1 9 0v5.5M8.5 17h3',
  people: 'M7 4a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM1.5 17c0-3.5 2.5-5 5.5-5s5.5 1.5 5.5 5M13 4.6a2.7 2.7 0 0 1 0 5.2M14.5 12.4c2.4.5 4 2 4 4.6',
  more: 'M3 10h1.6M9.2 10h1.6M15.4 10H17',
  find: 'M8.5 3a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM12.5 12.5L17 17',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return <svg class="icon" viewBox="0 0 20 20" width={size} height={size} aria-hidden="true"><path d={PATHS[name]} /></svg>
}
