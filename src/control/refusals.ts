import type { Refusal } from '../xds/events.ts';

export type { Refusal };

/** One answer for a missing, unknown, wrong, spent, expired or revoked credential: it teaches nothing. */
export const unauthenticated = (): Refusal => ({
  code: 'unauthenticated',
  message: 'this credential does not admit this sidecar: ask for a new one with `signet bootstrap`',
});

/**
 * For a stream whose certificate will end: its client is good, and is to come back with the certificate that it has then.
 * Envoy does so by itself after any status; this one it does not report as an error.
 */
export const certificateEnds = (): Refusal => ({
  code: 'unavailable',
  message: 'the client certificate of this stream will end: come back with its successor',
});

/** The credential is good, but not for this. */
export const permissionDenied = (message: string): Refusal => ({ code: 'permission_denied', message });
