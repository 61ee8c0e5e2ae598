/**
 * XML as GPX and KML use it, with the line of everything: elements, attributes, text, CDATA. Pure.
 *
 * A document type is refused: it could name files and grow without end. Unknown entities stay as they are.
 */
import { FileError } from './layer'

export interface Element { name: string; line: number; attributes: Record<string, string>; children: Element[]; text: string }

const DEPTH_MAX = 100
const TOKEN = /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<!|<\/([^\s>]+)\s*>|<([^\s/>!?]+)((?:\s+[^\s=>/]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|[^<]+|</g
const ATTRIBUTE = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g
const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

const bare = (name: string): string => name.slice(name.indexOf(':') + 1)

function plain(text: string): string {
  return text.replace(/&(#x?[0-9a-fA-F]{1,6}|\w+);/g, (whole, name: string) => {
    const code = name[0] === '#' ? Number(name[1] === 'x' ? `0${name.slice(1)}` : name.slice(1)) : NaN
    return Number.isNaN(code) || code > 0x10ffff ? ENTITIES[name] ?? whole : String.fromCodePoint(code)
  })
}

/** The root element. FileError says the line at which it is no XML. */
export function parseXml(text: string): Element {
  const root: Element = { name: '', line: 1, attributes: {}, children: [], text: '' }
  const open: Element[] = [root]
  let line = 1
  for (const match of text.replace(/^\ufeff/, '').matchAll(TOKEN)) {
    const [whole, data, end, name, attributes, closed] = match
    const top = open[open.length - 1]!
    if (whole === '<!') throw new FileError('file_doctype', line)
    if (whole === '<') throw new FileError('file_xml', line, text.slice(match.index, match.index + 30).split('\n')[0])
    if (data !== undefined) top.text += data
    else if (end !== undefined) {
      if (open.length === 1 || bare(end) !== top.name) throw new FileError('file_xml', line, `</${end}>`)
      open.pop()
    } else if (name !== undefined) {
      const made: Element = { name: bare(name), line, attributes: {}, children: [], text: '' }
      for (const [, key, double, single] of attributes!.matchAll(ATTRIBUTE)) made.attributes[bare(key!)] = plain(double ?? single ?? '')
      top.children.push(made)
      if (!closed) open.push(made)
      if (open.length > DEPTH_MAX) throw new FileError('file_xml', line, `<${name}>`)
    } else if (!whole.startsWith('<')) top.text += plain(whole)
    for (let i = whole.indexOf('\n'); i >= 0; i = whole.indexOf('\n', i + 1)) line++
  }
  if (open.length > 1) throw new FileError('file_xml', open[open.length - 1]!.line, `<${open[open.length - 1]!.name}>`)
  const first = root.children[0]
  if (!first) throw new FileError('file_xml', line)
  return first
}

export const all = (of: Element, name: string): Element[] => of.children.filter((child) => child.name === name)
export const first = (of: Element, name: string): Element | undefined => of.children.find((child) => child.name === name)
export const textOf = (of: Element, name: string): string => first(of, name)?.text.trim() ?? ''
