import { type Duration, iso } from '../../lib/time.ts';
import { type Drift, showDrift } from '../certificates/clockDrift.ts';
import { type Check, failure, fine, type Line, warning } from './finding.ts';
import { count, named, span } from './words.ts';

/** Certificates are backdated by so much: a sidecar that is further behind refuses every new one of its peers. */
const BACKDATED: Duration = 60_000;

export const clocksAgree: Check = {
  code: 'CHK0513',
  group: 'certificates',
  about: 'the clocks agree: this host with itself, with what it wrote, and with the sidecars that tell their time',
  look: ({ clock: { behind, lastJump, drifting, telling } }) => {
    const lines: Line[] = [];
    if (behind >= BACKDATED / 2 && lastJump !== undefined) {
      const line = `this host's clock was set back: since ${iso(lastJump.at)} it is ${span(behind)} behind what it said before`;
      const action =
        'if it was wrong before and is right now, nothing is to be done; if not, set it right: for peers whose clocks are right, certificates end early';
      lines.push(warning(line, action));
    }
    lines.push(...disagreeing(drifting, telling));
    const agree = count(telling, 'sidecar that tells its time agrees', 'sidecars that tell their time agree');
    return lines.length > 0
      ? lines
      : [fine(telling === 0 ? 'no clock is known to be wrong' : `no clock is known to be wrong; ${agree}`)];
  },
};

/** Half of the others and more cannot all be wrong by chance. */
const isOurs = (drifting: readonly Drift[], telling: number): boolean =>
  drifting.length > 1 &&
  drifting.length * 2 > telling &&
  new Set(drifting.map(({ ahead }) => Math.sign(ahead))).size === 1;

const disagreeing = (drifting: readonly Drift[], telling: number): readonly Line[] => {
  const list = (some: readonly Drift[]): string =>
    named(some.map(({ node, ahead }) => `${node} (${showDrift(ahead)})`));
  if (isOurs(drifting, telling)) {
    const line = `clock drift: most sidecars that tell their time disagree with this host in the same direction: ${list(drifting)}`;
    return [failure(line, "this host's clock is the one to look at first: set it by NTP")];
  }
  const action = 'set the clock there by NTP: new certificates are not valid yet for it, or good ones have expired';
  const [much, little] = [drifting.filter(isMuch), drifting.filter((one) => !isMuch(one))];
  return [
    ...(much.length > 0 ? [failure(`clock drift: ${list(much)}`, action)] : []),
    ...(little.length > 0 ? [warning(`clock drift: ${list(little)}`, action)] : []),
  ];
};

const isMuch = ({ ahead }: Drift): boolean => Math.abs(ahead) >= BACKDATED;
