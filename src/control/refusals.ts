import type { Refusal } from '../xds/events.ts';

export type { Refusal };

/** One answer for a missing, unknown, wrong, spent, expired or revoked credential: it teaches nothing. */
export const unauthenticated = (): Refusal => ({
  code: 'unauthenticated',
  message: 'this credential does not admit this sidecar: ask for a new one with `signet bootstrap`',
});

/** The credential is good, but not for this. */
export const permissionDenied = (message: string): Refusal => ({ code: 'permission_denied', message });
