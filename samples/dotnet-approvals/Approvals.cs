using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Http;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.Logging;

namespace Approvals;

/// <summary>Human interaction: a budget request that waits for a person's approval.</summary>
/// <remarks>
/// <list type="bullet">
/// <item><c>POST /api/approvals</c> with <c>{"item": "laptop", "amount": 1800}</c> starts a request and returns its management URLs.</item>
/// <item>The instance ID as a message on the queue <c>approval-queue</c> approves it; so does posting to its <c>sendEventPostUri</c>.</item>
/// <item><c>GET /api/approvals/{instanceId}</c> returns a short status.</item>
/// </list>
/// The decision is any JSON. The event is called Approval, so it approves unless its payload is <c>false</c>,
/// <c>{"approved": false}</c> or the word "denied".
/// </remarks>
public class ApprovalFunctions(ILogger<ApprovalFunctions> logger)
{
    private const string Approval = "Approval";

    /// <summary>Starts a request. <c>expiresInSeconds</c> in the body changes the time to decide.</summary>
    [Function("StartApproval")]
    public async Task<HttpResponseData> StartApproval(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "approvals")] HttpRequestData request,
        [DurableClient] DurableTaskClient client)
    {
        BudgetRequest budget;
        try
        {
            budget = BudgetRequest.Read(await request.ReadAsStringAsync() ?? "");
        }
        catch (FormatException error)
        {
            return await Json(request, HttpStatusCode.BadRequest, new { error = error.Message });
        }
        string instanceId = await client.ScheduleNewOrchestrationInstanceAsync("BudgetApproval", budget);
        logger.LogInformation("Approval {InstanceId} started: {Item} for {Amount}", instanceId, budget.Item, budget.Amount);
        return await client.CreateCheckStatusResponseAsync(request, instanceId);
    }

    /// <summary>Returns the status of a request.</summary>
    [Function("ApprovalStatus")]
    public async Task<HttpResponseData> ApprovalStatus(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "approvals/{instanceId}")] HttpRequestData request,
        string instanceId,
        [DurableClient] DurableTaskClient client)
    {
        OrchestrationMetadata? state = await client.GetInstanceAsync(instanceId, getInputsAndOutputs: true);
        if (state is null)
        {
            return await Json(request, HttpStatusCode.NotFound, new { error = $"There is no approval with the ID {instanceId}." });
        }
        return await Json(request, HttpStatusCode.OK, new
        {
            id = instanceId,
            state = state.RuntimeStatus.ToString(),
            progress = Node(state.SerializedCustomStatus),
            result = Node(state.SerializedOutput),
        });
    }

    /// <summary>Raises "Approval" on the instance that the message names.</summary>
    /// <remarks>
    /// A message that names no instance fails, so it is retried and ends in <c>approval-queue-poison</c>. A decision for a
    /// finished request is only logged: queues deliver at least once, so it can be a duplicate.
    /// </remarks>
    [Function("ApprovalQueueProcessor")]
    public async Task ApprovalQueueProcessor(
        [QueueTrigger("approval-queue", Connection = "AzureWebJobsStorage")] string message,
        [DurableClient] DurableTaskClient client)
    {
        (string instanceId, JsonNode decision) = ApprovalMessage.Read(message);
        OrchestrationMetadata? state = await client.GetInstanceAsync(instanceId);
        if (state is null)
        {
            throw new InvalidOperationException($"The queue message does not name an approval: there is no instance '{instanceId}'.");
        }
        if (state.IsCompleted)
        {
            logger.LogWarning("Approval {InstanceId} is already {Status}; nothing to do.", instanceId, state.RuntimeStatus);
            return;
        }
        await client.RaiseEventAsync(instanceId, Approval, decision);
        logger.LogInformation("Approval {InstanceId}: decision passed on.", instanceId);
    }

    /// <summary>Requests approval, waits for the decision or the deadline, and acts on it.</summary>
    [Function("BudgetApproval")]
    public static async Task<Outcome> BudgetApproval([OrchestrationTrigger] TaskOrchestrationContext context, BudgetRequest request)
    {
        context.SetCustomStatus(new { stage = "Requesting approval" });
        await context.CallActivityAsync("RequestApproval", request);

        DateTime expiresAt = context.CurrentUtcDateTime.AddSeconds(request.ExpiresInSeconds);
        context.SetCustomStatus(new { stage = "Waiting for approval", expiresAt });
        using CancellationTokenSource cancelled = new();
        Task<JsonElement> decision = context.WaitForExternalEvent<JsonElement>(Approval);
        Task expiry = context.CreateTimer(expiresAt, cancelled.Token);

        if (await Task.WhenAny(decision, expiry) == expiry)
        {
            context.SetCustomStatus(new { stage = "Expired" });
            return await context.CallActivityAsync<Outcome>("ExpireRequest", request);
        }
        cancelled.Cancel();
        if (SaysNo(await decision))
        {
            context.SetCustomStatus(new { stage = "Denied" });
            return await context.CallActivityAsync<Outcome>("DenyRequest", request);
        }
        context.SetCustomStatus(new { stage = "Approved" });
        return await context.CallActivityAsync<Outcome>("ApproveRequest", request);
    }

    /// <summary>Send an email or a chat message here.</summary>
    [Function("RequestApproval")]
    public string RequestApproval([ActivityTrigger] BudgetRequest request, string instanceId)
    {
        logger.LogInformation(
            "Please decide on {Item} for {Amount}: put {InstanceId} on the queue approval-queue.", request.Item, request.Amount, instanceId);
        return instanceId;
    }

    [Function("ApproveRequest")]
    public Outcome ApproveRequest([ActivityTrigger] BudgetRequest request) => Ended("Approved", request);

    [Function("DenyRequest")]
    public Outcome DenyRequest([ActivityTrigger] BudgetRequest request) => Ended("Denied", request);

    [Function("ExpireRequest")]
    public Outcome ExpireRequest([ActivityTrigger] BudgetRequest request) => Ended("Expired", request);

    private Outcome Ended(string word, BudgetRequest request)
    {
        logger.LogInformation("{Outcome}: {Item} for {Amount}", word, request.Item, request.Amount);
        return new Outcome(word, request.Item, request.Amount);
    }

    private static bool SaysNo(JsonElement decision) => decision.ValueKind switch
    {
        JsonValueKind.False => true,
        JsonValueKind.Object => decision.TryGetProperty("approved", out JsonElement approved) && approved.ValueKind == JsonValueKind.False,
        JsonValueKind.String => (decision.GetString() ?? "").Trim().ToLowerInvariant() is "no" or "deny" or "denied" or "rejected" or "false",
        _ => false,
    };

    private static async Task<HttpResponseData> Json(HttpRequestData request, HttpStatusCode status, object body)
    {
        HttpResponseData response = request.CreateResponse(status);
        await response.WriteAsJsonAsync(body);
        return response;
    }

    /// <summary>The JSON of a status or an output. The output of a failed request is plain text.</summary>
    private static JsonNode? Node(string? text)
    {
        if (text is null)
        {
            return null;
        }
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }
}
