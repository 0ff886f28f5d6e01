using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Approvals;

/// <summary>A request for money. <c>ExpiresInSeconds</c> is the time to decide.</summary>
public record BudgetRequest(
    [property: JsonPropertyName("item")] string Item,
    [property: JsonPropertyName("amount")] double Amount,
    [property: JsonPropertyName("expiresInSeconds")] double ExpiresInSeconds)
{
    private const double HoursToDecide = 72;
    private const double LongestSeconds = 10.0 * 366 * 24 * 3600;

    /// <summary>Reads the body of a request.</summary>
    /// <exception cref="FormatException">The body is not a request; the message says why.</exception>
    public static BudgetRequest Read(string body)
    {
        JsonElement fields = Parsed(body);
        if (fields.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException("Send a JSON object such as {\"item\": \"laptop\", \"amount\": 1800}.");
        }
        string item = Text(fields, "item").Trim();
        if (item.Length == 0)
        {
            throw new FormatException("\"item\" must be a string that says what the money is for.");
        }
        if (!fields.TryGetProperty("amount", out JsonElement amount)
            || amount.ValueKind != JsonValueKind.Number
            || !amount.TryGetDouble(out double money)
            || !(money >= 0 && double.IsFinite(money)))
        {
            throw new FormatException("\"amount\" must be a number that is not negative.");
        }
        double seconds = Seconds(fields);
        if (!(seconds > 0 && seconds <= LongestSeconds))
        {
            throw new FormatException("\"expiresInSeconds\" must be a number of seconds, more than none and less than ten years.");
        }
        return new BudgetRequest(item, money, seconds);
    }

    private static JsonElement Parsed(string body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body);
            return document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            throw new FormatException($"The body is not JSON: {error.Message}");
        }
    }

    private static string Text(JsonElement fields, string name)
        => fields.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() ?? ""
            : "";

    private static double Seconds(JsonElement fields)
    {
        if (fields.TryGetProperty("expiresInSeconds", out JsonElement given))
        {
            return given.ValueKind == JsonValueKind.Number && given.TryGetDouble(out double number) ? number : double.NaN;
        }
        string? setting = Environment.GetEnvironmentVariable("APPROVAL_EXPIRES_IN_SECONDS");
        if (string.IsNullOrEmpty(setting))
        {
            return HoursToDecide * 3600;
        }
        return double.TryParse(setting, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) ? seconds : double.NaN;
    }
}

/// <summary>What became of a request.</summary>
public record Outcome(
    [property: JsonPropertyName("outcome")] string Word,
    [property: JsonPropertyName("item")] string Item,
    [property: JsonPropertyName("amount")] double Amount);
