/** Titles of roles, asked of the hub once: the table of roles is the hub's alone. */
import { signal } from '@preact/signals'
import { ask } from '../api/http'
import { lang } from '../i18n'

export interface RoleRow { role: string; zh: string; en: string; permissions: string[] }

export const roles = signal<RoleRow[]>([])
let asking = false

export function roleWords(role: string): string {
  if (!asking) {
    asking = true
    void ask<{ roles: RoleRow[] }>('GET', '/roles').then((said) => (roles.value = said.roles), () => (asking = false))
  }
  return roles.value.find((row) => row.role === role)?.[lang.value] ?? role
}
