/** Keys that work everywhere, from the table of commands; those of the list, the palette and the time line are their own. */
import { COMMANDS, type Command } from './commands'
import { drawing, undoPoint } from './drawing'

const FIELDS = 'input, select, textarea, [contenteditable]'

/** Whose the key is; undefined when it is nobody's. Letters count in either case, `+` is `=` with Shift. */
export function commandOf(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>, inField: boolean): Command | undefined {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  const ctrl = event.ctrlKey || event.metaKey
  if (event.altKey) return undefined
  return COMMANDS.find((one) => one.key === (key === '+' ? '=' : key) && (one.ctrl ?? false) === ctrl && (one.inFields || !inField) && (one.when?.() ?? true))
}

export function startKeyboard(): void {
  document.addEventListener('keydown', (event) => {
    if (event.isComposing || event.defaultPrevented) return
    const { target } = event
    const inField = target instanceof HTMLElement && target.matches(FIELDS)
    if (event.key === 'Backspace' && !inField && drawing.value) return undoPoint()
    const command = commandOf(event, inField)
    if (!command || (event.key === ' ' && isMeant(target))) return
    if (command.run() !== false) event.preventDefault()
  })
}

/** Who came to a button by the keyboard means that button; after a click the key is free for the alarm. */
function isMeant(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('button, a, summary') && target.matches(':focus-visible')
}
