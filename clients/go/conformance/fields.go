package main

import (
	"encoding/json"
	"fmt"
	"time"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

// fields are those of every op; each op looks at its own. Pointers tell what is not
// given from what is zero.
type fields struct {
	ID     json.Number `json:"id"`
	Op     string      `json:"op"`
	Client string      `json:"client"`
	Watch  string      `json:"watch"`
	JobID  *string     `json:"job_id"`

	Address   string `json:"address"`
	TLSCA     string `json:"tls_ca"`
	TLSCert   string `json:"tls_cert"`
	TLSKey    string `json:"tls_key"`
	TLSName   string `json:"tls_name"`
	Token     string `json:"token"`
	TokenFile string `json:"token_file"`

	Request json.RawMessage `json:"request"`
	Info    json.RawMessage `json:"info"`
	Options json.RawMessage `json:"options"`
	Select  json.RawMessage `json:"select"`
	Service string          `json:"service"`
	Method  string          `json:"method"`

	Comment          string      `json:"comment"`
	ExpectedRevision json.Number `json:"expected_revision"`
	Wait             bool        `json:"wait"`
	Force            bool        `json:"force"`
	AllowMissing     bool        `json:"allow_missing"`
	Mode             string      `json:"mode"`
	BytesPerSecond   json.Number `json:"bytes_per_second"`
	Paths            []string    `json:"paths"`
	Timeout          *float64    `json:"timeout"`
	States           []string    `json:"states"`
	RaiseOnFailure   *bool       `json:"raise_on_failure"`
	PageSize         int32       `json:"page_size"`
	Take             *int        `json:"take"`
	URI              string      `json:"uri"`
	Format           string      `json:"format"`

	Cursor            json.RawMessage `json:"cursor"`
	FromNow           bool            `json:"from_now"`
	Strict            bool            `json:"strict"`
	OmitProgress      bool            `json:"omit_progress"`
	ProgressInterval  *float64        `json:"progress_interval"`
	HeartbeatInterval *float64        `json:"heartbeat_interval"`
	StopWhenFinished  *bool           `json:"stop_when_finished"`
	Patience          *float64        `json:"patience"`
	Count             int             `json:"count"`
	Only              []string        `json:"only"`
	UntilRevision     json.Number     `json:"until_revision"`
	Raw               bool            `json:"raw"`

	What  string      `json:"what"`
	Text  string      `json:"text"`
	Value json.Number `json:"value"`
}

// credentials are nil if none are given: then they are those of the environment.
func (f *fields) credentials() *longshore.Credentials {
	given := longshore.Credentials{
		TLSCA: f.TLSCA, TLSCert: f.TLSCert, TLSKey: f.TLSKey, TLSName: f.TLSName,
		Token: f.Token, TokenFile: f.TokenFile,
	}
	if given == (longshore.Credentials{}) {
		return nil
	}
	return &given
}

func (f *fields) states() ([]pb.JobState, error) {
	var states []pb.JobState
	for _, name := range f.States {
		number, known := pb.JobState_value[name]
		if !known {
			return nil, fmt.Errorf("no state %q", name)
		}
		states = append(states, pb.JobState(number))
	}
	return states, nil
}

func (f *fields) waitOptions() (longshore.WaitOptions, error) {
	states, err := f.states()
	return longshore.WaitOptions{
		States:  states,
		Timeout: duration(f.Timeout),
		AnyEnd:  f.RaiseOnFailure != nil && !*f.RaiseOnFailure,
	}, err
}

func (f *fields) watchOptions() (longshore.WatchOptions, error) {
	how := longshore.WatchOptions{
		FromNow:           f.FromNow,
		Strict:            f.Strict,
		OmitProgress:      f.OmitProgress,
		ProgressInterval:  duration(f.ProgressInterval),
		HeartbeatInterval: duration(f.HeartbeatInterval),
		StopWhenFinished:  f.StopWhenFinished != nil && *f.StopWhenFinished,
		Patience:          duration(f.Patience),
	}
	var err error
	if how.Selector, err = parsed(f.Select, &pb.JobSelector{}); err != nil {
		return how, err
	}
	if f.Cursor != nil {
		how.Cursor, err = parsed(f.Cursor, &pb.Cursor{})
	}
	return how, err
}

// duration is that of seconds: 0 if they are not given, and not 0 if they are.
func duration(seconds *float64) time.Duration {
	if seconds == nil {
		return 0
	}
	return max(1, time.Duration(*seconds*float64(time.Second)))
}
