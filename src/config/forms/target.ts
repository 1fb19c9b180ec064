import { isIP } from 'node:net';
import { isPlainLoopback } from '../../lib/address.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Target } from '../../model/mesh.ts';
import { isAddress, isPortNumber, toPortNumber } from './name.ts';
import type { Problem } from './problem.ts';

/** `3001`, `127.0.0.1:3001`, `[::1]:3001` or `unix:/run/orders.sock`. */
export const parseTarget = (written: string | number): Result<Target, Problem> => {
  if (typeof written === 'number')
    return isPortNumber(written) ? ok(onLoopback(written)) : err(notATarget(String(written)));
  const alone = toPortNumber(written);
  if (alone !== undefined) return ok(onLoopback(alone));
  if (written.startsWith('unix:')) {
    const path = written.slice('unix:'.length);
    // sun_path has 108 bytes, the last of which is zero.
    const fits = /^\/[\x21-\x7e]*[^/]$/.test(path) && path.length <= 107;
    return fits ? ok({ kind: 'unix', path }) : err(notATarget(written));
  }
  const match = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]+)$/.exec(written);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = toPortNumber(match?.[3] ?? '');
  const fits = match?.[1] === undefined ? isAddress(host) : isIP(host) === 6;
  return port === undefined || !fits ? err(notATarget(written)) : ok({ kind: 'tcp', host, port });
};

/** Nobody else can reach it: loopback, or a unix socket. */
export const isPrivate = (target: Target): boolean =>
  target.kind === 'unix' || target.host === 'localhost' || isPlainLoopback(target.host);

const onLoopback = (port: number): Target => ({ kind: 'tcp', host: '127.0.0.1', port });

const notATarget = (written: string): Problem => ({
  code: 'SIG0406',
  message: `${written} is not a target`,
  hint: 'write PORT, 127.0.0.1:PORT or unix:/PATH',
});
