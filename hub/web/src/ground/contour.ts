/** The maker of contours, loaded when a map of heights is shown. */
export { default as contour } from 'maplibre-contour'
