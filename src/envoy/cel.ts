import type { Expr } from '../gen/google/api/expr/v1alpha1/syntax.ts';

/** `name(args)`, or `target.name(args)`; ids need only be different within one expression. */
export const celCall = (id: number, name: string, args: readonly Expr[], target?: Expr): Expr => ({
  id: BigInt(id),
  exprKind: { $case: 'callExpr', value: { target, function: name, args: [...args] } },
});

export const celText = (id: number, value: string): Expr => ({
  id: BigInt(id),
  exprKind: { $case: 'constExpr', value: { constantKind: { $case: 'stringValue', value } } },
});

/** `object.field`, for example `request.time`; takes two ids from `id` on. */
export const celAttribute = (id: number, object: string, field: string): Expr => {
  const operand: Expr = { id: BigInt(id), exprKind: { $case: 'identExpr', value: { name: object } } };
  return { id: BigInt(id + 1), exprKind: { $case: 'selectExpr', value: { operand, field, testOnly: false } } };
};

/** A list of texts; takes an id for itself and one for each from `id` on. */
export const celTexts = (id: number, values: readonly string[]): Expr => {
  const elements = values.map((value, at) => celText(id + 1 + at, value));
  return { id: BigInt(id), exprKind: { $case: 'listExpr', value: { elements, optionalIndices: [] } } };
};
