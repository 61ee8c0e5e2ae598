/** The page's words. `t(key)` in a component follows the language by itself. */
import { computed, signal } from '@preact/signals'
import { en } from './en'
import { zh, type Key } from './zh'

export type { Key }
export type Lang = 'zh' | 'en'

const WORDS: Record<Lang, Record<Key, string>> = { zh, en }
const REMEMBERED = 'zhantu.lang'

function remembered(): Lang {
  try {
    return localStorage.getItem(REMEMBERED) === 'en' ? 'en' : 'zh'
  } catch {
    return 'zh'
  }
}

export const lang = signal<Lang>(remembered())
const words = computed(() => WORDS[lang.value])

export function setLang(next: Lang): void {
  lang.value = next
  try {
    localStorage.setItem(REMEMBERED, next)
  } catch {
    // A browser that forbids storage forgets the language; nothing else is lost.
  }
}

export function say(language: Lang, key: Key, values?: Record<string, string | number>): string {
  return fill(WORDS[language][key], values)
}

export function t(key: Key, values?: Record<string, string | number>): string {
  return fill(words.value[key], values)
}

function fill(pattern: string, values?: Record<string, string | number>): string {
  return values ? pattern.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)) : pattern
}
