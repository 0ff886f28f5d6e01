using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Approvals;

/// <summary>
/// A message on <c>approval-queue</c>: <c>&lt;instance ID&gt;</c> or <c>{"instanceId": "&lt;instance ID&gt;", "approved": false}</c>.
/// </summary>
/// <remarks>
/// Some tools write queue messages as plain text, others encode them in base64 first. host.json sets
/// <c>messageEncoding</c> to <c>none</c>, which passes the text on unchanged, and this class accepts both forms.
/// </remarks>
/// <param name="InstanceId">The request that the decision is for.</param>
/// <param name="Decision">The event's payload: true, or the message without the instance ID.</param>
public partial record ApprovalMessage(string InstanceId, JsonNode Decision)
{
    /// <summary>Reads a message.</summary>
    /// <exception cref="FormatException">The message names no instance.</exception>
    public static ApprovalMessage Read(string message)
    {
        string text = PlainText(message).Trim();
        if (text.StartsWith('{') && Parsed(text) is JsonObject fields)
        {
            string instanceId = Checked(fields["instanceId"]);
            fields.Remove("instanceId");
            if (!fields.ContainsKey("approved"))
            {
                fields["approved"] = true;
            }
            return new ApprovalMessage(instanceId, fields);
        }
        JsonNode? id = text.StartsWith('"') ? Parsed(text) : JsonValue.Create(text);
        return new ApprovalMessage(Checked(id), JsonValue.Create(true));
    }

    private static string Checked(JsonNode? id)
    {
        string text = id is JsonValue value && value.TryGetValue(out string? found) ? found.Trim() : "";
        if (!InstanceIdPattern().IsMatch(text))
        {
            throw new FormatException($"The queue message is not an instance ID: {id?.ToJsonString() ?? "null"}");
        }
        return text;
    }

    private static JsonNode? Parsed(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException error)
        {
            throw new FormatException($"The queue message is not JSON: {error.Message}");
        }
    }

    /// <summary>Decodes base64 of something printable, which an instance ID of this app never is.</summary>
    private static string PlainText(string text)
    {
        try
        {
            byte[] bytes = Convert.FromBase64String(text.Trim());
            string decoded = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
            return decoded.Trim().Length > 0 && !decoded.Trim().Any(char.IsControl) ? decoded : text;
        }
        catch (Exception error) when (error is FormatException or DecoderFallbackException)
        {
            return text;
        }
    }

    [GeneratedRegex(@"\A[^/\\?#\x00-\x1f\x7f-\x9f]{1,256}\z")]
    private static partial Regex InstanceIdPattern();
}
