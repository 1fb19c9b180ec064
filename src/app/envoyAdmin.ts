import { request } from 'node:http';
import { isIPv6 } from 'node:net';
import type { HostPort } from '../lib/hostPort.ts';

/** Where an Envoy's own admin API is: a socket in a private folder, or a port that was asked for. */
export type EnvoyAdmin = { readonly pipe: string } | HostPort;

/** The answer of Envoy's admin API, or `undefined` if it does not answer. */
export const askEnvoy = (
  admin: EnvoyAdmin,
  path: string,
): Promise<{ readonly status: number; readonly text: string } | undefined> =>
  new Promise((resolve) => {
    const target = 'pipe' in admin ? { socketPath: admin.pipe } : { host: admin.host, port: admin.port };
    const asked = request({ ...target, path, timeout: 2_000, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
      response.on('error', () => resolve(undefined));
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(undefined));
    asked.end();
  });

/**
 * Envoy took its first configuration and has bound the outbound port itself: a port that merely answers may be another
 * sidecar's, and calls through it would carry that one's identity.
 */
export const envoyIsReady = async (admin: EnvoyAdmin, outbound: HostPort): Promise<boolean> => {
  const ready = await askEnvoy(admin, '/ready');
  if (ready?.status !== 200) return false;
  const listeners = await askEnvoy(admin, '/listeners?format=json');
  if (listeners?.status !== 200) return false;
  return bound(JSON.parse(listeners.text)).some(
    ({ host, port }) => sameAddress(host, outbound.host) && port === outbound.port,
  );
};

/** `::1` and `0:0:0:0:0:0:0:1` are one address, and Envoy tells the short form. */
const sameAddress = (a: string, b: string): boolean =>
  a === b || (isIPv6(a) && isIPv6(b) && new URL(`http://[${a}]`).host === new URL(`http://[${b}]`).host);

type ListenersAnswer = {
  readonly listener_statuses?: readonly {
    readonly local_address?: { readonly socket_address?: { readonly address?: string; readonly port_value?: number } };
  }[];
};

const bound = (answer: ListenersAnswer): readonly HostPort[] =>
  (answer.listener_statuses ?? []).map(({ local_address: local }) => ({
    host: local?.socket_address?.address ?? '',
    port: local?.socket_address?.port_value ?? 0,
  }));
