import { describe, expect, it } from 'vitest'
import { en } from '../src/i18n/en'
import { say, type Key } from '../src/i18n'
import { zh } from '../src/i18n/zh'

const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!).sort()

describe('words of the page', () => {
  it('both languages have the same keys', () => expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort()))
  it.each(Object.keys(zh) as Key[])('%s says something with the same blanks in both', (key) => {
    expect(en[key].trim()).not.toBe('')
    expect(holes(en[key])).toEqual(holes(zh[key]))
  })
  it('fills blanks', () => {
    expect(say('zh', 'banner_cut', { s: 12 })).toBe('与指挥中心连接中断 · 12 s · 画面为最后已知')
    expect(say('en', 'banner_cut', { s: 12 })).toBe('No contact with the hub · 12 s · showing last known')
  })
})
