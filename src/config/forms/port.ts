import type { LongPortSpec, PortSpec } from '../../features/services/spec.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { didYouMean, oneOf } from '../../lib/suggest.ts';
import type { Protocol, Target } from '../../model/mesh.ts';
import { isPortNumber, toPortNumber } from './name.ts';
import type { Problem } from './problem.ts';
import { parseTarget } from './target.ts';

/** A port as it is written, either form. */
export type PortForm = {
  readonly port: number;
  readonly target: Target;
  readonly protocol: Protocol;
  readonly long: LongPortSpec | undefined;
};

/** Which key of the long form is wrong, if it is one. */
export type PortProblem = Problem & { readonly key?: 'port' | 'target' };

const PROTOCOLS: readonly Protocol[] = ['http', 'http2', 'grpc', 'tcp'];

/** `8080/http`, `8080:3000/http`, `8080:unix:/run/a.sock/http`, or the long form. Without a target: the same port on loopback. */
export const parsePort = (spec: PortSpec): Result<PortForm, PortProblem> =>
  typeof spec === 'string' ? short(spec) : long(spec);

const short = (written: string): Result<PortForm, PortProblem> => {
  const match = /^([^:/]+)(?::(.+))?\/([^/]*)$/.exec(written);
  const protocol = PROTOCOLS.find((known) => known === match?.[3]);
  const port = toPortNumber(match?.[1] ?? '');
  if (match === null || port === undefined) return err(notAPort(written));
  if (protocol === undefined) {
    const meant = didYouMean(match[3] ?? '', PROTOCOLS) ?? `write ${oneOf(PROTOCOLS)}`;
    return err({ code: 'SIG0403', message: `${match[3]} in ${written} is not a protocol`, hint: meant });
  }
  const target = parseTarget(match[2] ?? port);
  return target.ok ? ok({ port, target: target.value, protocol, long: undefined }) : target;
};

const long = (spec: LongPortSpec): Result<PortForm, PortProblem> => {
  if (!isPortNumber(spec.port))
    return err({ code: 'SIG0403', key: 'port', message: `${spec.port} is not a port number`, hint: '1 to 65535' });
  const target = parseTarget(spec.target ?? spec.port);
  if (!target.ok) return err({ ...target.error, key: 'target' });
  return ok({ port: spec.port, target: target.value, protocol: spec.protocol, long: spec });
};

const notAPort = (written: string): Problem => ({
  code: 'SIG0403',
  message: `${written} is not a port`,
  hint: /^[0-9:]+$/.test(written)
    ? `the protocol is always written: ${written}/http`
    : 'write PORT[:TARGET]/PROTOCOL, for example 8080:3000/http',
});
