import { type Instant, iso } from '../../lib/time.ts';
import { registersItself } from '../admission.ts';
import { START_GRACE } from '../departures.ts';
import type { KeptInstance } from './facts.ts';
import { type Check, fine, orFine, warning } from './finding.ts';
import { count, grouped, named, span } from './words.ts';

const nodes = (instances: readonly KeptInstance[]): string => named(instances.map(({ node }) => node));
const since = (instances: readonly KeptInstance[]): string => iso(Math.min(...instances.map(({ leftAt }) => leftAt)));

export const startIsOver: Check = {
  code: 'CHK0401',
  group: 'endpoints',
  about: 'the first minute after a start is over',
  look: ({ graceUntil, kept, now, startedAt }) => {
    if (graceUntil === undefined) return [fine('the first minute after the start is over: who leaves is withdrawn')];
    const away = kept.filter((instance) => instance.why === 'start' || isAbsent(instance, graceUntil));
    const text = `Signet started ${span(now - startedAt)} ago, so nothing is withdrawn before ${iso(graceUntil)}`;
    if (away.length === 0) return [fine(`${text}; nobody is away`)];
    return [
      warning(
        `${text}; ${count(away.length, 'instance is', 'instances are')} away: ${nodes(away)}`,
        'those that still run come back by themselves within seconds; look at those that do not',
      ),
    ];
  },
};

/** Of those who have not come since the start, so that they are no crowd of leavers (yet). */
const isAbsent = ({ leftAt, why }: KeptInstance, graceUntil: Instant | undefined): boolean =>
  why === 'crowd' && graceUntil !== undefined && leftAt <= graceUntil - START_GRACE;

export const noCrowd: Check = {
  code: 'CHK0402',
  group: 'endpoints',
  about: 'no crowd of instances went away at once',
  look: ({ kept, registered, graceUntil }) => {
    const crowd = kept.filter((instance) => instance.why === 'crowd' && !isAbsent(instance, graceUntil));
    const lines = grouped(crowd, ({ service }) => service).map(([service, gone]) => {
      const all = Math.max(registered.get(gone[0]?.service ?? '/') ?? 0, gone.length);
      const until = iso(Math.min(...gone.map((instance) => instance.until ?? instance.leftAt)));
      return warning(
        `away since ${since(gone)}: ${gone.length} of ${count(all, 'instance')} of ${service} (${nodes(gone)}). So many are away at once that it may be a fault between them and Signet: none is withdrawn before ${until}`,
        'look whether they run and reach Signet; callers are still told of them, and try another where one does not answer',
      );
    });
    return orFine(lines, 'no crowd of instances went away at once');
  },
};

export const serviceIsLive: Check = {
  code: 'CHK0403',
  group: 'endpoints',
  about: 'the last instance of no service is away',
  look: ({ kept, now }) => {
    const last = kept.filter(({ why }) => why === 'last');
    const lines = grouped(last, ({ service }) => service).map(([service, gone]) =>
      warning(
        `no instance of ${service} is connected, for ${span(now - Math.max(...gone.map(({ leftAt }) => leftAt)))}; callers are still told of the last: ${nodes(gone)}`,
        'look whether they run and reach Signet; they are withdrawn once another one is there',
      ),
    );
    return orFine(lines, 'no service lost its last instance');
  },
};

export const everyServiceServed: Check = {
  code: 'CHK0404',
  group: 'endpoints',
  about: 'every service with ports has an instance',
  look: ({ mesh, registered }) => {
    const serving = [...mesh.services.values()].filter(registersItself);
    const nobody = serving.filter(({ key }) => (registered.get(key) ?? 0) === 0).map(({ key }) => key);
    if (nobody.length === 0) return [fine(`every service with ports has an instance (${serving.length})`)];
    const [first = ''] = nobody;
    return [
      warning(
        `${count(nobody.length, 'service has', 'services have')} ports and no instance yet: ${named(nobody)}`,
        `start one, for example \`signet sidecar ${first}\`; calls to it are answered 503 until then`,
      ),
    ];
  },
};
