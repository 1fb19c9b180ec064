import { methodProblem, parseCall } from '../forms/call.ts';
import { parsePath } from '../forms/path.ts';
import type { Problem } from '../forms/problem.ts';
import type { Place, Report } from '../places.ts';
import type { Calls, Written } from '../rules.ts';
import type { Check } from './check.ts';

/** Methods and paths are such that a request can have them, and no list of them is empty. */
export const ruleCalls: Check = ({ rules }, report) => {
  for (const { to, toPlace } of rules) {
    if (to?.length === 0) reportEmpty(toPlace, 'list', report);
    for (const operation of to ?? []) {
      if (operation.kind === 'call') {
        const parsed = parseCall(operation.call.text);
        if (!parsed.ok) report({ ...parsed.error, place: operation.call.place });
        continue;
      }
      if (isEmpty(operation) && operation.not === undefined) reportEmpty(operation.place, 'map', report);
      if (operation.not !== undefined && isEmpty(operation.not)) reportEmpty(operation.not.place, 'map', report);
      checkCalls(operation, report);
      if (operation.not !== undefined) checkCalls(operation.not, report);
    }
  }
};

const isEmpty = ({ methods, paths, ports }: Calls): boolean =>
  methods === undefined && paths === undefined && ports === undefined;

const reportEmpty = (place: Place, what: string, report: Report): void =>
  report({
    code: 'SIG0210',
    place,
    message: `an empty ${what} says nothing`,
    hint: 'a rule for every call has no `to`',
  });

const checkCalls = ({ methods, paths, ports, place }: Calls, report: Report): void => {
  for (const list of [methods, paths, ports]) if (list?.length === 0) reportEmpty(place, 'list', report);
  checkEach(methods, methodProblem, report);
  checkEach(paths, pathProblem, report);
};

const pathProblem = (text: string): Problem | undefined => {
  const parsed = parsePath(text);
  return parsed.ok ? undefined : parsed.error;
};

const checkEach = (
  list: readonly Written[] | undefined,
  problemOf: (text: string) => Problem | undefined,
  report: Report,
): void => {
  for (const { text, place } of list ?? []) {
    const problem = problemOf(text);
    if (problem !== undefined) report({ ...problem, place });
  }
};
