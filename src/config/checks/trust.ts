import { parseTrustDomain } from '../../spiffe/spiffeId.ts';
import type { Outline } from '../outline.ts';
import { descend, type Place, type Report } from '../places.ts';
import { bundleIn } from '../trust.ts';
import type { Check } from './check.ts';

/** Trust domains have names, each one once, and every one that is trusted has roots that can be read. */
export const trust: Check = (outline, report) => {
  const { mesh } = outline.file;
  const at = descend(outline.place, 'mesh');
  const seen = new Map<string, string>([[mesh.trustDomain, 'is the trust domain of this mesh']]);
  const checkName = (name: string, place: Place, what: string): void => {
    const already = seen.get(name);
    seen.set(name, already ?? what);
    if (parseTrustDomain(name) === undefined)
      report({
        code: 'SIG0301',
        place,
        message: `${JSON.stringify(name.slice(0, 80))} is not a trust domain`,
        hint: 'a-z, 0-9, dots, - and _, for example shop.example',
      });
    else if (already !== undefined) report({ code: 'SIG0306', place, message: `${name} ${already}` });
  };
  for (const [index, name] of (mesh.trustDomainAliases ?? []).entries())
    checkName(name, descend(at, 'trustDomainAliases', index), 'is an alias already');
  for (const [index, { trustDomain, bundle }] of (mesh.trust ?? []).entries()) {
    const place = descend(at, 'trust', index);
    checkName(trustDomain, descend(place, 'trustDomain'), 'has an entry in trust already');
    checkBundle(outline, bundle.file, descend(place, 'bundle', 'file'), report);
  }
};

const checkBundle = ({ beside, now }: Outline, file: string, place: Place, report: Report): void => {
  const bundle = bundleIn(file, beside);
  if (!bundle.ok) {
    const { code, reason } = bundle.error;
    report({ code, place, message: `${file === '' ? '""' : file.slice(0, 200)} ${reason}` });
    return;
  }
  // Time alone makes no good file bad: Envoy refuses what an expired root vouches for.
  const { roots } = bundle.value;
  const ended = now === undefined ? [] : roots.filter(({ notAfter }) => notAfter <= now);
  if (ended.length === 0) return;
  const all = ended.length === roots.length;
  report({
    code: 'SIG0309',
    place,
    severity: 'warning',
    message: `${all ? 'every root' : `${ended.length} of ${roots.length} roots`} in ${file} has expired`,
    hint: all ? 'nobody of that trust domain can connect: ask its owner for the new bundle' : undefined,
  });
};
