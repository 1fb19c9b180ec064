import { showDiagnostic } from '../../lib/diagnostic.ts';
import { iso } from '../../lib/time.ts';
import { type Check, failure, fine, pending, warning } from './finding.ts';
import { count } from './words.ts';

export const fileInForce: Check = {
  code: 'CHK0201',
  group: 'mesh file',
  about: 'the file on disk is what is served',
  look: ({ file: { name, unread, problem }, mesh }) => {
    if (unread) return [pending(`a save of ${name} was not read yet`, 'wait a second, or use --wait')];
    if (problem === undefined) return [fine(`${name} is what is served, revision ${mesh.revision}`)];
    const [first, ...more] = problem.diagnostics;
    const reason = [problem.message, ...(first === undefined ? [] : [showDiagnostic(first)])].join(': ');
    const rest = more.length === 0 ? '' : ` (and ${more.length} more)`;
    return [
      failure(
        `since ${iso(problem.since)} the file on disk is not what is served: ${reason}${rest}`,
        `correct it and save; the mesh from before stays in force. \`signet validate ${name}\` lists every problem`,
      ),
    ];
  },
};

export const fileWarnings: Check = {
  code: 'CHK0202',
  group: 'mesh file',
  about: 'the file has no warnings',
  look: ({ file: { name, warnings } }) => {
    const [first] = warnings;
    if (first === undefined) return [fine('it has no warnings')];
    const many = warnings.length === 1 ? 'it has a warning' : `it has ${count(warnings.length, 'warning')}, the first:`;
    return [warning(`${many} ${first}`, `\`signet validate ${name}\` lists them with what to do`)];
  },
};
