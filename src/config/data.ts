/** Plain data of the document; maps have no prototype. */
export type Data = string | number | boolean | null | Data[] | { [key: string]: Data };
