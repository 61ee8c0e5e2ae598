import { defineConfig, type Plugin } from 'vite'

/**
 * MapLibre carries its own home page and a help page as link targets (attribution control, missing WebGL). The page
 * shows neither (nor PMTiles' help page), and a screen that must work without a network names no address outside the hub, so they are cut.
 */
function withoutOutsideLinks(): Plugin {
  const links = /https:\/\/(?:maplibre\.org\/|wiki\.openstreetmap\.org\/wiki\/This_map_requires_WebGL|github\.com\/mapbox\/mapbox-gl-js\/issues\/\d+|github\.com\/protomaps\/PMTiles\/tree\/main\/js)/g
  return {
    name: 'without-outside-links',
    apply: 'build',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type === 'chunk') file.code = file.code.replace(links, '#')
        else if (file.fileName.endsWith('.js')) file.source = file.source.toString().replace(links, '#')
      }
    },
  }
}

/** The worker is shipped as `.js`, because not every server knows that `.mjs` is JavaScript. */
const assetName = (asset: { names: string[] }): string =>
  `assets/${(asset.names[0] ?? 'asset').replace(/\.mjs$/, '.js').replace(/^.*\//, '')}`

export default defineConfig({
  base: './',
  plugins: [withoutOutsideLinks()],
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/screen.js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: assetName,
        codeSplitting: { groups: [{ name: 'maplibre', test: /node_modules[\\/](maplibre-gl|@maplibre|@mapbox)/ }] },
      },
    },
  },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
} as Parameters<typeof defineConfig>[0])
