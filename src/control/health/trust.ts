import { type Duration, iso } from '../../lib/time.ts';
import { trustDomainOf } from '../../spiffe/spiffeId.ts';
import { type Check, failure, fine, type Line, orFine, pending, warning } from './finding.ts';
import { count, named, span } from './words.ts';

/** Asking somebody else for a new bundle takes time. */
const AHEAD: Duration = 30 * 86_400_000;

export const trustedRoots: Check = {
  code: 'CHK0503',
  group: 'certificates',
  about: 'no root of a trusted trust domain ends soon',
  look: ({ mesh, now }) => {
    const lines = mesh.trust.flatMap(({ trustDomain, ends, file }): readonly Line[] => {
      const last = Math.max(...ends);
      const remedy = `put the present bundle of ${trustDomain} into ${file}: it is read when it is saved`;
      if (last <= now) return [failure(`every root of ${trustDomain} has expired, the last at ${iso(last)}`, remedy)];
      if (last - now <= AHEAD) return [warning(`the last root of ${trustDomain} ends in ${span(last - now)}`, remedy)];
      return [];
    });
    const left = mesh.trust
      .map(({ trustDomain, ends }) => `${trustDomain} ${span(Math.max(...ends) - now)}`)
      .join(', ');
    return orFine(lines, left === '' ? 'no other trust domain is trusted' : `no trusted root ends soon: ${left}`);
  },
};

export const oneName: Check = {
  code: 'CHK0504',
  group: 'certificates',
  about: 'every sidecar holds a certificate of the mesh’s trust domain',
  look: ({ mesh, sidecars }) => {
    const { trustDomain, trustDomainAliases: aliases } = mesh;
    const old = sidecars.flatMap(({ node, identity }) =>
      identity !== undefined && trustDomainOf(identity) !== trustDomain ? [node] : [],
    );
    if (old.length > 0)
      return [
        pending(
          `${count(old.length, 'sidecar')} did not get a certificate of ${trustDomain} yet: ${named(old)}`,
          `keep the name from before in mesh.trustDomainAliases until they have; the log of \`signet serve\` says what stands in the way`,
        ),
      ];
    const also = aliases.length === 0 ? '' : `, which is also called ${aliases.join(', ')}`;
    return [fine(`every certificate is of ${trustDomain}${also}`)];
  },
};
