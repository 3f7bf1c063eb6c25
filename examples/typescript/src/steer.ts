/** Look at a run and steer it: node dist/steer.js progress ORDER | poll-now ORDER | resolve ORDER ACTION [TASK_ID] */
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from "@temporalio/client";
import type { Progress } from "./contract/progress.js";
import type { Resolution } from "./contract/resolution.js";
import { connect } from "./manxue.js";

const [command, order = "", action, task_id] = process.argv.slice(2);
const client = await connect();
const run = client.workflow.getHandle(order);
try {
  switch (command) {
    case "progress":
      console.log(JSON.stringify(await run.query<Progress>("progress")));
      break;
    case "poll-now":
      console.log(JSON.stringify(await run.executeUpdate<Progress, []>("poll_now")));
      break;
    case "resolve": {
      const decision = { action, ...(task_id && { task_id }) } as Resolution;
      await run.executeUpdate<void, [Resolution]>("resolve_submission", { args: [decision] });
    }
  }
} catch (error) {
  if (error instanceof WorkflowUpdateFailedError) console.error(error.cause?.message);
  else if (error instanceof WorkflowNotFoundError) console.error(error.message); // no such run, or it is over
  else throw error;
  process.exitCode = 1;
} finally {
  await client.connection.close();
}
