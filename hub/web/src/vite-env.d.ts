/// <reference types="vite/client" />

/** Without subtitles and DRM, at half the size; the same types. */
declare module 'hls.js/light' {
  export { default } from 'hls.js'
}
declare module 'virtual:tokens.css'
