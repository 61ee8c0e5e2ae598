import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vite'
import { png } from './scripts/icon.ts'
import { cssOf } from './src/tokens.ts'

/**
 * MapLibre carries its own home page and a help page as link targets (attribution control, missing WebGL), milsymbol its
 * author's, PMTiles a help page. The page shows none, and a screen that must work without a network names no address outside
 * the hub, so they are cut.
 */
function withoutOutsideLinks(): Plugin {
  const links = /https?:\/\/(?:maplibre\.org\/|www\.spatialillusions\.com|wiki\.openstreetmap\.org\/wiki\/This_map_requires_WebGL|github\.com\/mapbox\/mapbox-gl-js\/issues\/\d+|github\.com\/protomaps\/PMTiles\/tree\/main\/js)/g
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

/** The custom properties of src/tokens.ts as a style sheet, so that the page has its colours before any script runs. */
function tokens(): Plugin {
  const id = 'virtual:tokens.css'
  return {
    name: 'tokens',
    resolveId: (wanted) => (wanted === id ? `\0${id}` : undefined),
    load: (wanted) => (wanted === `\0${id}` ? cssOf() : undefined),
  }
}

/** The icon as PNG, and what the service worker has to know: every file of this build with its SHA-256. */
function installable(): Plugin {
  return {
    name: 'installable',
    apply: 'build',
    generateBundle() {
      const svg = readFileSync(new URL('./public/icon.svg', import.meta.url), 'utf8')
      for (const [name, px, bleed] of [['icon-192', 192, false], ['icon-512', 512, false], ['icon-maskable-512', 512, true]] as const) {
        this.emitFile({ type: 'asset', fileName: `assets/${name}.png`, source: png(svg, px, bleed) })
      }
    },
    writeBundle({ dir }) {
      const folder = dir!
      const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).filter((name) => name !== 'sw.js').sort()
      const sum = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex')
      const files = Object.fromEntries(names.map((name) => [name, sum(readFileSync(join(folder, name)))]))
      const code = readFileSync(join(folder, 'sw.js'), 'utf8')
      const list = JSON.stringify(files, null, 1)
      writeFileSync(join(folder, 'sw.js'), `const __FILES__ = ${list}, __VERSION__ = '${sum(list + code).slice(0, 16)}'\n${code}`)
    },
  }
}

/** The worker is shipped as `.js`, because not every server knows that `.mjs` is JavaScript. */
const assetName = (asset: { names: string[] }): string =>
  `assets/${(asset.names[0] ?? 'asset').replace(/\.mjs$/, '.js').replace(/^.*\//, '')}`

export default defineConfig({
  base: './',
  plugins: [tokens(), withoutOutsideLinks(), installable()],
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    rolldownOptions: {
      input: { index: 'index.html', sw: 'src/sw/sw.ts' },
      output: {
        // A service worker rules over what lies below it, so it lies on top.
        entryFileNames: ({ name }: { name: string }) => (name === 'sw' ? 'sw.js' : 'assets/screen.js'),
        chunkFileNames: 'assets/[name].js',
        assetFileNames: assetName,
        codeSplitting: { groups: [{ name: 'maplibre', test: /node_modules[\\/](maplibre-gl|@maplibre|@mapbox)/ }] },
      },
    },
  },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
} as Parameters<typeof defineConfig>[0])
