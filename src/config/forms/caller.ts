import { err, ok, type Result } from '../../lib/result.ts';
import { parseSpiffeId, type SpiffeId } from '../../spiffe/spiffeId.ts';
import { isName } from './name.ts';
import type { Problem } from './problem.ts';

/** A caller as it is written: names are still to be looked up. */
export type CallerForm =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'mesh' }
  | { readonly kind: 'namespace'; readonly namespace: string }
  | { readonly kind: 'identity'; readonly namespace: string | undefined; readonly identity: string }
  | { readonly kind: 'id'; readonly id: SpiffeId };

/** `web`, `prod/web`, `prod/*`, `spiffe://…`, `"*"` or `anyone`. */
export const parseCaller = (written: string): Result<CallerForm, Problem> => {
  if (written === 'anyone') return ok({ kind: 'anyone' });
  if (written === '*') return ok({ kind: 'mesh' });
  if (written.includes('://')) return spiffe(written);
  const [first = '', second, ...more] = written.split('/');
  if (more.length > 0 || !isName(first)) return err(notACaller(written));
  if (second === undefined) return ok({ kind: 'identity', namespace: undefined, identity: first });
  if (second === '*') return ok({ kind: 'namespace', namespace: first });
  return isName(second) ? ok({ kind: 'identity', namespace: first, identity: second }) : err(notACaller(written));
};

const spiffe = (written: string): Result<CallerForm, Problem> => {
  const id = parseSpiffeId(written);
  // A trust domain alone is nobody's certificate (X509-SVID §2: a workload's ID has a path).
  if (id?.slice('spiffe://'.length).includes('/')) return ok({ kind: 'id', id });
  const hint = written.includes('*')
    ? 'a SPIFFE ID takes no *; a whole namespace is NAMESPACE/*'
    : 'write spiffe://TRUST-DOMAIN/PATH';
  return err({ code: 'SIG0504', message: `${written} is not a SPIFFE ID`, hint });
};

const notACaller = (written: string): Problem => ({
  code: 'SIG0504',
  message: `${JSON.stringify(written)} is not a caller`,
  hint: 'write NAME, NAMESPACE/NAME, NAMESPACE/*, spiffe://…, "*" or anyone',
});
