/** PMTiles' reader, loaded when a map is such an archive. */
export { PMTiles } from 'pmtiles'
