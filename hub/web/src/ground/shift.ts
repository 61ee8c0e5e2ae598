/** What maps and files in other coordinates need, loaded when there is one. */
export { fromCrs, toCrs } from '../laws/crs'
export { warpOf } from '../laws/warp'
