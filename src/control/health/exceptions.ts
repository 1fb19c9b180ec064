import { showLocation } from '../../lib/diagnostic.ts';
import { type Instant, iso } from '../../lib/time.ts';
import type { Mesh, Mtls } from '../../model/mesh.ts';
import type { Rule } from '../../model/rule.ts';
import { type Check, fine, type Line, orFine, warning } from './finding.ts';
import { count, grouped, named, span } from './words.ts';

type PortMtls = { readonly name: string; readonly mtls: Mtls };

const portsOf = (mesh: Mesh): readonly PortMtls[] =>
  [...mesh.services.values()].flatMap(({ key, ports }) =>
    ports.map(({ port, mtls }) => ({ name: `${key}:${port}`, mtls })),
  );

/** By the line that decides: one exception may open many ports, and every one of them is named. */
const byLine = (ports: readonly PortMtls[]): readonly { line: string; mtls: Mtls; names: string }[] =>
  grouped(ports, ({ mtls }) => `${showLocation(mtls.location)} ${mtls.mode}`).flatMap(([, alike]) => {
    const mtls = alike[0]?.mtls;
    const names = alike.map(({ name }) => name).join(', ');
    return mtls === undefined ? [] : [{ line: showLocation(mtls.location), mtls, names }];
  });

export const permissivePorts: Check = {
  code: 'CHK0601',
  group: 'exceptions',
  about: 'no port is permissive',
  look: ({ mesh, now }) => {
    const ports = portsOf(mesh).filter(({ mtls }) => mtls.mode === 'permissive');
    const lines = byLine(ports).flatMap(({ line, mtls, names }): readonly Line[] => {
      if (mtls.mode !== 'permissive') return [];
      const until = iso(mtls.until);
      if (now >= mtls.until)
        return [warning(`strict since ${until}, permissive before: ${names} (${line})`, 'write mtls: strict')];
      const left = span(mtls.until - now);
      return [
        warning(
          `takes plaintext for another ${left}, until ${until}: ${names} (${line})`,
          'it is strict from then on: have every caller behind a sidecar before',
        ),
      ];
    });
    return orFine(lines, 'no port is permissive');
  },
};

export const plaintextPorts: Check = {
  code: 'CHK0602',
  group: 'exceptions',
  about: 'no port is plaintext (`mtls: disable`)',
  look: ({ mesh }) => {
    const lines = byLine(portsOf(mesh).filter(({ mtls }) => mtls.mode === 'disable')).map(({ line, names }) =>
      warning(
        `plaintext only, without identities: ${names} (${line})`,
        'keep it for callers that can never speak mTLS; else write mtls: strict',
      ),
    );
    return orFine(lines, 'no port is plaintext');
  },
};

/** Rules that end, each once, however many services it holds on. */
const endingRules = (mesh: Mesh): readonly (Rule & { readonly until: Instant })[] => {
  const rules = [...mesh.services.values()].flatMap(({ rules }) =>
    rules.flatMap((rule) => (rule.until === undefined ? [] : [{ ...rule, until: rule.until }])),
  );
  return grouped(rules, ({ location }) => `${showLocation(location)}:${location.column}`).flatMap(([, [first]]) =>
    first === undefined ? [] : [first],
  );
};

export const rulesInTime: Check = {
  code: 'CHK0603',
  group: 'exceptions',
  about: 'no rule has ended',
  look: ({ mesh, now }) => {
    const rules = endingRules(mesh);
    const over = rules.filter(({ until }) => now >= until);
    const lines = grouped(over, ({ action }) => action).map(([action, ended]) => {
      const list = named(ended.map((rule) => `${showLocation(rule.location)}${said(rule)} at ${iso(rule.until)}`));
      const text = `${count(ended.length, `${action} rule has`, `${action} rules have`)} ended: ${list}`;
      const effect =
        action === 'allow' ? 'it goes on closing its port to everybody else' : 'it denies nothing any more';
      return warning(text, `${effect}; remove it, or write a later moment`);
    });
    if (lines.length > 0) return lines;
    const next = rules.map(({ until }) => until).sort((a, b) => a - b)[0];
    if (next === undefined) return [fine('no rule ends')];
    return [fine(`no rule has ended; the next of ${rules.length} does in ${span(next - now)}, at ${iso(next)}`)];
  },
};

const said = ({ name }: Rule): string => (name === undefined ? '' : ` (${name})`);
