/** Files of this person: dropped on the map or chosen, listed, removed. They stay in this browser. */
import { signal } from '@preact/signals'
import type { ComponentProps } from 'preact'
import { hello } from '../app/core'
import { FILE_BYTES_MAX, FileError, type FileLayer } from '../files/layer'
import { readFile } from '../files/read'
import { t } from '../i18n'
import type { Crs } from '../laws/crs'
import { clockText } from '../laws/words'
import { LayerRow } from './Layers'
import { CRS } from './maps'
import { dropped, DROPPED_MAX } from './plots'

const crs = signal<Crs>('wgs84')
/** What went wrong with the last files, a line each. */
export const troubles = signal<string[]>([])

function why(error: unknown): string {
  if (!(error instanceof FileError)) throw error
  return `${error.line === null ? '' : t('file_line', { line: error.line })}${t(error.trouble, { said: error.said })}`
}

export async function take(files: Iterable<File>): Promise<void> {
  troubles.value = []
  for (const file of files) {
    try {
      if (dropped.peek().length >= DROPPED_MAX) {
        troubles.value = [...troubles.peek(), t('file_many', { n: DROPPED_MAX })]
        return
      }
      if (file.size > FILE_BYTES_MAX) throw new FileError('file_large', null, String(FILE_BYTES_MAX / 1024 / 1024))
      const layer = await converted(readFile(file.name, await file.text()), crs.peek())
      const id = String(Date.now()) + file.name
      dropped.value = [...dropped.peek(), { id, name: file.name, layer, t: Date.now(), bytes: file.size, crs: crs.peek() }]
    } catch (error) {
      troubles.value = [...troubles.peek(), t('file_failed', { name: file.name, why: why(error) })]
    }
  }
}

async function converted(layer: FileLayer, from: Crs): Promise<FileLayer> {
  if (from === 'wgs84') return layer
  const { fromCrs } = await import('./shift')
  return { ...layer, shapes: layer.shapes.map((shape) => ({ ...shape, rings: shape.rings.map((ring) => ring.map((at) => fromCrs(at, from))) })) }
}

export function Dropping() {
  void hello.value
  const chosen: ComponentProps<'input'>['onChange'] = (event) => {
    void take(event.currentTarget.files ?? [])
    event.currentTarget.value = ''
  }
  return (
    <div class="dropping">
      <p class="hint">{t('file_drop')} <label class="choose">{t('file_choose')}<input type="file" data-testid="file-choose" multiple accept=".gpx,.kml,.geojson,.json" onChange={chosen} /></label> · {t('file_stays')}</p>
      <label class="entry"><span>{t('file_crs')}</span>
        <select data-testid="file-crs" value={crs.value} onChange={(event) => (crs.value = event.currentTarget.value as Crs)}>
          {CRS.map((one) => <option key={one} value={one}>{t(`crs_${one}`)}</option>)}
        </select>
      </label>
      {troubles.value.map((words) => <p class="trouble" role="alert" data-testid="file-trouble" key={words}>{words}</p>)}
      {dropped.value.map((file) => (
        <LayerRow
          key={file.id} name={`file:${file.id}`} title={file.name}
          about={`${t('file_stays')} · ${clockText(file.t)} · ${t('layer_crs', { words: t(`crs_${file.crs as Crs}`) })} · ${t('file_points_n', { n: file.layer.points })} `}
        >
          <button data-testid="file-remove" onClick={() => (dropped.value = dropped.peek().filter(({ id }) => id !== file.id))}>{t('file_remove')}</button>
        </LayerRow>
      ))}
    </div>
  )
}
