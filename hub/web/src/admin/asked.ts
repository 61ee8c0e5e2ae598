/** What a page of the administration shows: asked of the hub when it opens and after each change. */
import { useSignal, type Signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ask } from '../api/http'
import { whyNot } from '../panels/acts'

export interface Answer<T> { data: Signal<T | null>; trouble: Signal<string>; again: () => Promise<void> }

/** `everyMs`: ask again by itself, for what changes without us. */
export function useAsked<T>(path: string, everyMs = 0): Answer<T> {
  const data = useSignal<T | null>(null)
  const trouble = useSignal('')
  const again = async (): Promise<void> => {
    try {
      data.value = await ask<T>('GET', path)
      trouble.value = ''
    } catch (error) {
      trouble.value = whyNot(error)
    }
  }
  useEffect(() => {
    void again()
    if (everyMs === 0) return
    const timer = setInterval(() => void again(), everyMs)
    return () => clearInterval(timer)
  }, [path])
  return { data, trouble, again }
}

const two = (n: number): string => String(n).padStart(2, '0')

/** 09-14 08:30, of this year or not: the year is there when it is another one. */
export function whenText(utcMs: number | null | undefined, now: number): string {
  if (!utcMs) return '—'
  const d = new Date(utcMs)
  const year = d.getFullYear() === new Date(now).getFullYear() ? '' : `${d.getFullYear()}-`
  return `${year}${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`
}
