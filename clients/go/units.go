package longshore

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

// A bare number is bytes; K M G T P E and KiB MiB … are powers of 1024, kB KB MB …
// powers of 1000. Small m, and b for bits, are refused: they have been read both ways
// too often. What all clients agree on is in tests/vectors/units.json.
var (
	sizePattern  = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$`)
	spanPattern  = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)`)
	spansPattern = regexp.MustCompile(`^(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+$`)
	sizeUnits    = newSizeUnits()
	spanUnits    = map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}
)

const (
	letters       = "KMGTPE"
	secondsMax    = 315_576_000_000 // what a Duration of protobuf can hold, about 10,000 years
	quantityBytes = 64              // more digits than any number that is meant
)

func newSizeUnits() map[string]int64 {
	units := map[string]int64{"": 1, "B": 1, "k": 1024, "kiB": 1024, "kB": 1000}
	binary, decimal := int64(1), int64(1)
	for _, letter := range letters {
		binary, decimal = binary*1024, decimal*1000
		units[string(letter)], units[string(letter)+"iB"] = binary, binary
		units[string(letter)+"B"] = decimal
	}
	return units
}

// ParseSize reads bytes: 512, 64K, 1.5GiB, 200MB.
func ParseSize(text string) (int64, error) {
	found := sizePattern.FindStringSubmatch(strings.TrimSpace(text))
	if found == nil || len(text) > quantityBytes {
		return 0, fmt.Errorf("longshore: not a size: %q (write 512, 64K, 1.5GiB or 200MB)", text)
	}
	unit, known := sizeUnits[found[2]]
	if !known {
		return 0, fmt.Errorf(
			"longshore: unknown unit %q in %q (K M G T or KiB MiB … = 1024, kB MB … = 1000)", found[2], text)
	}
	size, _ := new(big.Rat).SetString(found[1])
	size.Mul(size, new(big.Rat).SetInt64(unit))
	if !size.IsInt() {
		return 0, fmt.Errorf("longshore: %q is not a whole number of bytes", text)
	}
	if !size.Num().IsInt64() {
		return 0, fmt.Errorf("longshore: %q is more than 2^63-1 bytes", text)
	}
	return size.Num().Int64(), nil
}

// ParseRate reads bytes a second: a size, with or without "/s".
func ParseRate(text string) (int64, error) {
	rate, err := ParseSize(strings.TrimSuffix(strings.TrimSpace(text), "/s"))
	if err == nil && rate == 0 {
		return 0, fmt.Errorf("longshore: a rate of 0 moves nothing; leave it out for no limit")
	}
	return rate, err
}

// ParseDuration reads seconds: a bare number, or 90s, 1h30m, 250ms.
func ParseDuration(text string) (*durationpb.Duration, error) {
	spans := strings.TrimSpace(text)
	if spans != "" && strings.Trim(spans, "0123456789.") == "" {
		spans += "s"
	}
	if !spansPattern.MatchString(spans) || len(text) > quantityBytes {
		return nil, fmt.Errorf("longshore: not a duration: %q (write 90, 90s, 1h30m or 250ms)", text)
	}
	whole, seen := new(big.Rat), map[string]bool{}
	for _, span := range spanPattern.FindAllStringSubmatch(spans, -1) {
		if seen[span[2]] {
			return nil, fmt.Errorf("longshore: %q names a unit twice", text)
		}
		seen[span[2]] = true
		amount, _ := new(big.Rat).SetString(span[1])
		whole.Add(whole, amount.Mul(amount, new(big.Rat).SetInt64(int64(spanUnits[span[2]]))))
	}
	if whole.Cmp(new(big.Rat).SetInt(nanoseconds(secondsMax))) > 0 {
		return nil, fmt.Errorf("longshore: %q is more than 10,000 years", text)
	}
	nanos := new(big.Int).Quo(whole.Num(), whole.Denom())
	seconds, rest := new(big.Int).QuoRem(nanos, nanoseconds(1), new(big.Int))
	return &durationpb.Duration{Seconds: seconds.Int64(), Nanos: int32(rest.Int64())}, nil
}

func nanoseconds(seconds int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(seconds), big.NewInt(int64(time.Second)))
}

// FormatSize is a size for people: 1.5 GiB. Exact below 1 KiB.
func FormatSize(size float64) string {
	if size < 1024 {
		return fmt.Sprintf("%d B", int64(size))
	}
	power := 0
	// What would be shown as 1024 is 1 of the next unit.
	for ; size >= 1023.5 && power < len(letters); power++ {
		size /= 1024
	}
	digits := 2
	if size >= 99.95 {
		digits = 0
	} else if size >= 9.995 {
		digits = 1
	}
	shown := strconv.FormatFloat(size, 'f', digits, 64)
	if digits > 0 {
		shown = strings.TrimRight(strings.TrimRight(shown, "0"), ".")
	}
	return fmt.Sprintf("%s %ciB", shown, letters[power-1])
}

// FormatRate is FormatSize, a second.
func FormatRate(rate float64) string { return FormatSize(rate) + "/s" }

// FormatDuration is a duration for people, two units at most: 1h 5m, 42s, 1.5s, 250ms.
func FormatDuration(duration *durationpb.Duration) string {
	seconds := float64(duration.GetSeconds()) + float64(duration.GetNanos())/1e9
	switch {
	case 0 < seconds && seconds < 0.95:
		return fmt.Sprintf("%dms", max(1, int64(math.RoundToEven(seconds*1000))))
	case 0 < seconds && seconds < 9.95:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", seconds), ".0") + "s"
	}
	left := int64(math.RoundToEven(seconds))
	var parts []string
	for _, unit := range []string{"d", "h", "m", "s"} {
		span := int64(spanUnits[unit] / time.Second)
		if amount := left / span; amount > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d%s", amount, unit))
		}
		left %= span
	}
	if parts == nil {
		return "0s"
	}
	return strings.Join(parts, " ")
}
