package longshore

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"
)

// A vector is how every client reads a text; numbers beyond 2^53 are strings.
type vectors struct {
	Valid []struct {
		Text  string
		Value json.Number
	}
	Invalid []string
}

func readVectors(t *testing.T, name string) vectors {
	t.Helper()
	text, err := os.ReadFile("../../tests/vectors/units.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	var found vectors
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(all[name], &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestQuantitiesAreReadAsEverywhere(t *testing.T) {
	parsers := map[string]func(string) (string, error){
		"size": func(text string) (string, error) { n, err := ParseSize(text); return fmt.Sprint(n), err },
		"rate": func(text string) (string, error) { n, err := ParseRate(text); return fmt.Sprint(n), err },
		"duration": func(text string) (string, error) {
			found, err := ParseDuration(text)
			seconds := float64(found.GetSeconds()) + float64(found.GetNanos())/1e9
			return fmt.Sprint(json.Number(fmt.Sprintf("%.12g", seconds))), err
		},
	}
	for name, parse := range parsers {
		given := readVectors(t, name)
		if len(given.Valid) == 0 || len(given.Invalid) == 0 {
			t.Errorf("no vectors for %s", name)
		}
		for _, vector := range given.Valid {
			if value, err := parse(vector.Text); err != nil || value != vector.Value.String() {
				t.Errorf("%s %q is %s, %v; want %s", name, vector.Text, value, err, vector.Value)
			}
		}
		for _, text := range given.Invalid {
			if value, err := parse(text); err == nil {
				t.Errorf("%s %q could be misread, and is %s", name, text, value)
			}
		}
	}
}

func TestSizesForPeopleAreShort(t *testing.T) {
	for size, want := range map[float64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 1 << 20: "1 MiB",
		1023.6 * 1024: "1 MiB", 10.25 * (1 << 30): "10.2 GiB", 100 << 30: "100 GiB", 1 << 62: "4 EiB",
	} {
		if shown := FormatSize(size); shown != want {
			t.Errorf("%v is shown as %q, not %q", size, shown, want)
		}
	}
	if shown := FormatRate(50 << 20); shown != "50 MiB/s" {
		t.Errorf("a rate is shown as %q", shown)
	}
}

func TestDurationsForPeopleHaveTwoUnitsAtMost(t *testing.T) {
	for _, c := range []struct {
		seconds int64
		nanos   int32
		want    string
	}{
		{0, 0, "0s"}, {0, 1, "1ms"}, {0, 250_000_000, "250ms"}, {1, 500_000_000, "1.5s"}, {2, 0, "2s"},
		{42, 0, "42s"}, {3900, 0, "1h 5m"}, {93_784, 0, "1d 2h"}, {59, 600_000_000, "1m"},
	} {
		shown := FormatDuration(&durationpb.Duration{Seconds: c.seconds, Nanos: c.nanos})
		if shown != c.want {
			t.Errorf("%d.%09d s are shown as %q, not %q", c.seconds, c.nanos, shown, c.want)
		}
	}
}

func FuzzNoTextBreaksAParser(f *testing.F) {
	f.Add("1.5GiB")
	f.Add("1h30m")
	f.Fuzz(func(t *testing.T, text string) {
		if size, err := ParseSize(text); err == nil && size < 0 {
			t.Errorf("%q is %d", text, size)
		}
		if span, err := ParseDuration(text); err == nil && span.CheckValid() != nil {
			t.Errorf("%q is %v", text, span)
		}
	})
}
