/** Buttons that do something at the hub, and what to say when it was not done. */
import { useSignal, type Signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { ApiError } from '../api/http'
import { t, type Key } from '../i18n'

const SURE_MS = 4_000

/** Words for an error of a request. What is no answer of the hub is a fault of ours and goes on. */
export function whyNot(error: unknown): string {
  if (!(error instanceof ApiError)) {
    if (error instanceof TypeError) return t('failed_offline')
    throw error
  }
  if (error.status === 429 || error.waitS > 0) return t('failed_wait', { s: error.waitS || 5 })
  if (error.status === 403 && !error.detail) return t('failed_forbidden')
  return t('failed', { why: error.detail || String(error.status) })
}

/** Runs one action at a time; `trouble` says what went wrong with the last. */
export function useAct(): { busy: Signal<boolean>; trouble: Signal<string>; run: (what: () => Promise<unknown>) => Promise<void> } {
  const busy = useSignal(false)
  const trouble = useSignal('')
  const run = async (what: () => Promise<unknown>): Promise<void> => {
    if (busy.value) return
    busy.value = true
    trouble.value = ''
    try {
      await what()
    } catch (error) {
      trouble.value = whyNot(error)
    } finally {
      busy.value = false
    }
  }
  return { busy, trouble, run }
}

export function Trouble({ words }: { words: Signal<string> }) {
  return words.value === '' ? null : <p class="trouble" role="alert">{words.value}</p>
}

/** The first click asks, the second does; after a while it forgets. */
export function Twice({ onSure, disabled, ask, children, ...rest }: { onSure: () => void; disabled?: boolean; ask?: string; children: ComponentChildren; 'data-testid'?: string; class?: string }) {
  const asking = useSignal(false)
  useEffect(() => {
    if (!asking.value) return
    const timer = setTimeout(() => (asking.value = false), SURE_MS)
    return () => clearTimeout(timer)
  }, [asking.value])
  const click = (event: Event): void => {
    event.stopPropagation()
    if (asking.value) onSure()
    asking.value = !asking.value
  }
  return (
    <button type="button" {...rest} class={`${rest.class ?? ''} ${asking.value ? 'sure' : ''}`} disabled={disabled} onClick={click}>
      {asking.value ? ask ?? t('sure') : children}
    </button>
  )
}

/** A labelled field of a form. */
export function Entry({ name, hint, children }: { name: Key; hint?: string; children: ComponentChildren }) {
  return <label class="entry"><span>{t(name)}{hint && <small> · {hint}</small>}</span>{children}</label>
}

/** What is shown once, whole, with a button that copies it. */
export function Secret({ text, testid }: { text: string; testid: string }) {
  const copied = useSignal<Key>('copy')
  const copy = (): void => {
    // Without a secure context there is no clipboard.
    if (!navigator.clipboard) copied.value = 'copy_by_hand'
    else navigator.clipboard.writeText(text).then(() => (copied.value = 'copied'), () => (copied.value = 'copy_by_hand'))
  }
  return (
    <p class="secret">
      <code data-testid={testid}>{text}</code>
      <button type="button" onClick={copy}>{t(copied.value)}</button>
    </p>
  )
}

/** The fields of a submitted form, as text without blanks around it. */
export function fields(event: Event): Record<string, string> {
  event.preventDefault()
  const data = new FormData(event.currentTarget as HTMLFormElement)
  return Object.fromEntries([...data].map(([name, value]) => [name, String(value).trim()]))
}
