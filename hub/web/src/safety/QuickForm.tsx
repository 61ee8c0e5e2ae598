/** One line to type and Enter; it empties itself and keeps the place, so that the next one follows at once. */
import { t, type Key } from '../i18n'
import { fields as read } from '../panels/acts'

interface Field { name: Key; wide?: boolean; number?: number; as?: string }

export function QuickForm({ fields, button, act, testid }: { fields: Field[]; button: Key; act: (values: Record<string, string>) => Promise<unknown>; testid: string }) {
  return (
    <form class="quick" data-testid={testid} onSubmit={(event) => {
      const values = read(event)
      const form = event.currentTarget
      void act(values).then(() => {
        form.reset()
        form.querySelector('input')?.focus()
      })
    }}>
      {fields.map((field) => (
        <input key={field.name} name={field.as ?? field.name} required class={field.wide ? 'wide-field' : ''} aria-label={t(field.name)} placeholder={t(field.name)} autocomplete="off"
          {...(field.number ? { type: 'number', inputmode: 'decimal', min: 0, max: field.number, step: 'any' } : { maxLength: 60 })} />
      ))}
      <button>{t(button)}</button>
    </form>
  )
}
