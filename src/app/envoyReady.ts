import { isIPv6 } from 'node:net';
import { askEnvoy, type EnvoyAdmin } from '../control/askEnvoy.ts';
import { AppError } from '../lib/errors.ts';
import type { HostPort } from '../lib/hostPort.ts';

/**
 * Envoy took its first configuration and has bound the outbound port itself: a port that merely answers may be another
 * sidecar's, and calls through it would carry that one's identity.
 * @throws AppError `not_envoy` if it is no Envoy that answers
 */
export const envoyIsReady = async (admin: EnvoyAdmin, outbound: HostPort): Promise<boolean> => {
  const ready = await askEnvoy(admin, '/ready');
  if (ready?.status !== 200) return false;
  const listeners = await askEnvoy(admin, '/listeners?format=json');
  if (listeners?.status !== 200) return false;
  return bound(listeners.text).some(({ host, port }) => sameAddress(host, outbound.host) && port === outbound.port);
};

/** `::1` and `0:0:0:0:0:0:0:1` are one address, and Envoy tells the short form. */
const sameAddress = (a: string, b: string): boolean =>
  a === b || (isIPv6(a) && isIPv6(b) && new URL(`http://[${a}]`).host === new URL(`http://[${b}]`).host);

type ListenersAnswer = {
  readonly listener_statuses?: readonly {
    readonly local_address?: { readonly socket_address?: { readonly address?: string; readonly port_value?: number } };
  }[];
};

const bound = (text: string): readonly HostPort[] => {
  try {
    const { listener_statuses: statuses = [] } = JSON.parse(text) as ListenersAnswer;
    return statuses.map(({ local_address: local }) => ({
      host: local?.socket_address?.address ?? '',
      port: local?.socket_address?.port_value ?? 0,
    }));
  } catch (error) {
    const sentence = 'what answers at the admin port of Envoy is no Envoy: it says no JSON of /listeners';
    throw new AppError('not_envoy', sentence, { cause: error });
  }
};
