/** The view as a picture or on paper; units and drawings as files. */
import { useSignal } from '@preact/signals'
import { clock, hello } from '../app/core'
import { may, me } from '../app/session'
import { FORMATS, MIMES, write, type Format } from '../files/write'
import { t } from '../i18n'
import { drawingsGiven, unitsGiven } from './given'
import { mounted } from './mounted'
import { sheetNow } from './sheet'

const STAY_MS = 60_000

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), STAY_MS)
}

function nameNow(what: string, ending: string): string {
  const stamp = new Date(clock.now() || Date.now()).toISOString().slice(0, 19).replace(/[-:]/g, '')
  return `zhantu-${hello.peek()?.drill ? 'DRILL-' : ''}${me.peek()?.realm ?? ''}-${what}-${stamp}Z.${ending}`
}

async function picture(title: string): Promise<HTMLCanvasElement | null> {
  const { ground, box } = mounted
  return ground && box ? sheetNow(ground, box, title) : null
}

async function png(title: string): Promise<void> {
  const made = await picture(title)
  made?.toBlob((blob) => blob && save(blob, nameNow('map', 'png')), 'image/png')
}

/** The sheet alone goes to the printer: the page's style hides the rest. */
async function print(title: string): Promise<void> {
  const made = await picture(title)
  if (!made) return
  const image = new Image()
  image.className = 'print-sheet'
  image.src = made.toDataURL('image/png')
  await image.decode()
  document.body.append(image)
  addEventListener('afterprint', () => image.remove(), { once: true })
  window.print()
}

export function Export() {
  const title = useSignal('')
  const units = useSignal(true)
  const drawn = useSignal(true)
  const nothing = useSignal(false)
  const as = (format: Format): void => {
    const given = [...(units.value && may('export') ? unitsGiven() : []), ...(drawn.value ? drawingsGiven() : [])]
    nothing.value = given.length === 0
    const drill = hello.peek()?.drill ? `${t('sheet_drill')} ` : ''
    if (given.length > 0) save(new Blob([write(format, given, `${drill}${title.value || t('app')}`, clock.now())], { type: MIMES[format] }), nameNow('data', format))
  }
  return (
    <>
      <label class="entry"><span>{t('export_title')}</span><input data-testid="export-title" maxlength={80} value={title.value} onInput={(event) => (title.value = event.currentTarget.value)} /></label>
      <div class="quick">
        <button class="main" data-testid="export-png" onClick={() => void png(title.value)}>{t('export_png')}</button>
        <button data-testid="export-print" onClick={() => void print(title.value)}>{t('export_print')}</button>
      </div>
      {may('export') && <label class="check"><input type="checkbox" checked={units.value} onChange={() => (units.value = !units.value)} />{t('export_units')}</label>}
      <label class="check"><input type="checkbox" checked={drawn.value} onChange={() => (drawn.value = !drawn.value)} />{t('export_drawings')}</label>
      <div class="quick">
        {FORMATS.map((format) => <button key={format} data-testid={`export-${format}`} onClick={() => as(format)}>{t('export_as', { format: format === 'geojson' ? 'GeoJSON' : format.toUpperCase() })}</button>)}
      </div>
      {nothing.value && <p class="hint" role="status">{t('export_nothing')}</p>}
    </>
  )
}
