import { request } from 'node:http';
import { AppError } from '../lib/errors.ts';
import { type HostPort, showHostPort } from '../lib/hostPort.ts';
import type { Duration } from '../lib/time.ts';

/** Where an Envoy's own admin API is: a socket in a private folder, or a port that was asked for. */
export type EnvoyAdmin = { readonly pipe: string } | HostPort;

export type EnvoyAnswer = { readonly status: number; readonly text: string };

/** For all of an answer, so that one that drips holds nobody up. */
const PATIENCE: Duration = 2_000;
/** `/certs` has some 700 bytes for each certificate of each cluster and listener. */
const MOST_MEBIBYTES = 4;

/** @throws AppError `not_envoy` */
const notEnvoy = (admin: EnvoyAdmin, path: string): AppError<'not_envoy'> =>
  new AppError(
    'not_envoy',
    `what answers at ${'pipe' in admin ? admin.pipe : showHostPort(admin)} is no Envoy admin API: it says more than ${MOST_MEBIBYTES} MiB to ${path.replace(/\?.*/, '')}`,
  );

/**
 * Asks an Envoy's admin API: one GET without credentials or redirects, for two seconds and 4 MiB at most. `undefined` if it
 * does not answer.
 * https://www.envoyproxy.io/docs/envoy/latest/operations/admin
 * @throws AppError `not_envoy` if it says more than an Envoy does
 */
export const askEnvoy = (admin: EnvoyAdmin, path: string): Promise<EnvoyAnswer | undefined> =>
  new Promise((resolve, reject) => {
    const target = 'pipe' in admin ? { socketPath: admin.pipe } : { host: admin.host, port: admin.port };
    const signal = AbortSignal.timeout(PATIENCE);
    const asked = request({ ...target, path, agent: false, signal }, (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size <= MOST_MEBIBYTES * 1024 * 1024) parts.push(part);
        else {
          reject(notEnvoy(admin, path));
          asked.destroy();
        }
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
      response.on('error', () => resolve(undefined));
      response.on('close', () => resolve(undefined));
    });
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
