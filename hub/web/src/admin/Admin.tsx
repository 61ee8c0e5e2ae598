/** The administration: one page at a time over the map, each for those who may. Loaded when it is first opened. */
import { useEffect, useRef } from 'preact/hooks'
import { page, pane, PAGES, type Page } from '../app/pane'
import { may } from '../app/session'
import { t } from '../i18n'
import { Audit } from './Audit'
import { Devices } from './Devices'
import { People } from './People'
import { Sessions } from './Sessions'
import { Tokens } from './Tokens'

const VIEWS: Record<Page, () => preact.JSX.Element | null> = { devices: Devices, people: People, sessions: Sessions, tokens: Tokens, audit: Audit }
const NEEDS: Partial<Record<Page, string>> = { devices: 'devices', people: 'people', audit: 'audit' }

export const pagesAllowed = (): Page[] => PAGES.filter((one) => !NEEDS[one] || may(NEEDS[one]))

export function Admin() {
  const allowed = pagesAllowed()
  const now = allowed.includes(page.value) ? page.value : allowed[0]!
  const View = VIEWS[now]
  const box = useRef<HTMLElement>(null)
  useEffect(() => box.current?.querySelector<HTMLElement>('[aria-current]')?.focus(), [])
  return (
    <section class="admin" data-testid="admin" aria-label={t('admin')} ref={box}>
      <nav class="tabs">
        {allowed.map((one) => (
          <button key={one} data-testid={`page-${one}`} aria-current={one === now ? 'page' : undefined} onClick={() => (page.value = one)}>{t(`page_${one}`)}</button>
        ))}
        <button class="close" title={t('admin_close')} aria-label={t('admin_close')} onClick={() => (pane.value = null)}>✕</button>
      </nav>
      <div class="admin-body"><View key={now} /></div>
    </section>
  )
}
