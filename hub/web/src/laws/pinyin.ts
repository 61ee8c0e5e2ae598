/**
 * First letters of Chinese names, so that a callsign is found on a keyboard without an input method: 济南矿山-08 -> "jnks-08".
 *
 * The browser's own collation knows the order of pinyin; between the first characters of two letters lies what begins with
 * the first of them. A character with several readings has one of them here, so the name itself is always searched too.
 */
const LETTERS = 'abcdefghjklmnopqrstwxyz'
const FIRST = [...'阿八嚓哒妸发旮哈讥咔垃痳拏噢妑七呥扨它穵夕丫帀']
const CACHE_MAX = 20_000
const byPinyin = new Intl.Collator('zh-CN-u-co-pinyin')
const known = new Map<string, string>()

const isHan = (char: string): boolean => /\p{Script=Han}/u.test(char)

function initial(char: string): string {
  const at = FIRST.findLastIndex((first) => byPinyin.compare(first, char) <= 0)
  return at < 0 ? char : LETTERS[at]!
}

/** Each Chinese character as its letter, all else as it is, in small letters. */
export function initials(name: string): string {
  let found = known.get(name)
  if (found === undefined) {
    if (known.size >= CACHE_MAX) known.clear()
    known.set(name, (found = [...name].map((char) => (isHan(char) ? initial(char) : char.toLowerCase())).join('')))
  }
  return found
}
