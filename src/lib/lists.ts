/** A list that is made with its first item: where most stay empty, none is made for them. Changes the list that it is given. */
export const added = <T>(list: T[] | undefined, item: T): T[] => {
  if (list === undefined) return [item];
  list.push(item);
  return list;
};
