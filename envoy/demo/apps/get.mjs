// `node get.mjs URL`: curl for containers that have none.
const answer = await fetch(process.argv[2]);
console.log(`${answer.status}\n${await answer.text()}`);
