package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

var durable = []string{"event", "snapshot", "resynced"}

// opened is a watch that is read step by step.
type opened struct {
	watch *longshore.Watch
	next  func() (longshore.Value, error, bool)
	stop  func()
}

func (d *driver) begin(f *fields) (*longshore.Watch, error) {
	how, err := f.watchOptions()
	if err != nil {
		return nil, err
	}
	client := d.clients[f.Client]
	if f.JobID == nil {
		return client.Watch(how), nil
	}
	if f.StopWhenFinished != nil && !*f.StopWhenFinished {
		how.Selector = &pb.JobSelector{JobIds: []string{*f.JobID}}
		return client.Watch(how), nil
	}
	return client.Job(*f.JobID).Watch(how), nil
}

func (d *driver) watchOpen(f *fields) (object, error) {
	watch, err := d.begin(f)
	if err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(watch.Values(context.Background()))
	d.opened[f.Watch] = &opened{watch, next, stop}
	return object{}, nil
}

func (d *driver) watchNext(f *fields) (object, error) {
	only := f.Only
	if only == nil {
		only = durable
	}
	values := []object{}
	for len(values) < f.Count {
		value, err, more := d.opened[f.Watch].next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if slices.Contains(only, typeOf(value)) {
			values = append(values, shown(value))
		}
	}
	return object{"values": values, "ended": len(values) < f.Count}, nil
}

func (d *driver) watchCursor(f *fields) (object, error) {
	cursor := d.opened[f.Watch].watch.Cursor()
	if cursor == nil {
		return object{"cursor": nil}, nil
	}
	return object{"cursor": message(cursor)}, nil
}

func (d *driver) watchClose(f *fields) (object, error) {
	if found, known := d.opened[f.Watch]; known {
		found.stop()
		delete(d.opened, f.Watch)
		return object{}, nil
	}
	d.recorders[f.Watch].close()
	delete(d.recorders, f.Watch)
	return object{}, nil
}

func (d *driver) watchTake(f *fields) (object, error) {
	watch, err := d.begin(f)
	if err != nil {
		return nil, err
	}
	values := []object{}
	for value, err := range watch.Values(context.Background()) {
		if err != nil {
			return nil, err
		}
		if typeOf(value) != "progress" {
			values = append(values, shown(value))
		}
		if len(values) == f.Count {
			break
		}
	}
	return object{"values": values}, nil
}

// recorder reads a watch to its end in a goroutine, and keeps what is durable.
type recorder struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	news     *sync.Cond
	events   []object
	seen     int64
	resynced int
	err      error
}

func (d *driver) watchRecord(f *fields) (object, error) {
	watch, err := d.begin(f)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &recorder{cancel: cancel, done: make(chan struct{})}
	r.news = sync.NewCond(&r.mu)
	d.recorders[f.Watch] = r
	go r.read(ctx, watch)
	return object{}, nil
}

func (d *driver) watchRecorded(f *fields) (object, error) {
	until, err := f.UntilRevision.Int64()
	if err != nil {
		return nil, err
	}
	r := d.recorders[f.Watch]
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.err == nil && r.seen < until {
		r.news.Wait()
	}
	return object{"events": slices.Clone(r.events), "resynced": r.resynced}, r.err
}

func (r *recorder) close() {
	r.cancel()
	<-r.done
}

func (r *recorder) read(ctx context.Context, watch *longshore.Watch) {
	defer close(r.done)
	for value, err := range watch.Values(ctx) {
		r.mu.Lock()
		r.keep(value)
		r.err = err
		r.news.Broadcast()
		r.mu.Unlock()
	}
}

func (r *recorder) keep(value longshore.Value) {
	switch value := value.(type) {
	case longshore.Event:
		r.row(value.KindName(), value.Revision, value.Job)
		r.seen = value.Revision
	case longshore.Resynced:
		r.resynced++
		r.keep(longshore.Snapshot(value))
	case longshore.Snapshot:
		for _, job := range value.Jobs {
			r.row("SNAPSHOT", job.Revision, job)
		}
		r.seen = value.Cursor.GetRevision()
	}
}

func (r *recorder) row(kind string, revision int64, job *pb.Job) {
	r.events = append(r.events, object{
		"kind": kind, "job_id": job.JobId, "revision": fmt.Sprint(revision), "state": stateName(job.State),
	})
}

// drain reads so many events and keeps nothing.
func (d *driver) drain(f *fields) (object, error) {
	f.OmitProgress = true
	left := f.Count
	count := d.drainWatch
	if f.Raw {
		count = d.drainStream
	}
	err := count(f, func(events int) bool {
		left -= events
		return left > 0
	})
	return object{"events": f.Count - left}, err
}

func (d *driver) drainWatch(f *fields, count func(int) bool) error {
	watch, err := d.begin(f)
	if err != nil {
		return err
	}
	for value, err := range watch.Values(context.Background()) {
		if err != nil {
			return err
		}
		if _, is := value.(longshore.Event); is && !count(1) {
			break
		}
	}
	return nil
}

func (d *driver) drainStream(f *fields, count func(int) bool) error {
	how, err := f.watchOptions()
	if err != nil {
		return err
	}
	request := &pb.WatchJobsRequest{Selector: how.Selector, OmitProgress: true}
	if how.Cursor != nil {
		request.Start = &pb.WatchJobsRequest_ResumeAfter{ResumeAfter: how.Cursor}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := d.clients[f.Client].JobService.WatchJobs(ctx, request)
	for err == nil {
		var frame *pb.WatchJobsResponse
		if frame, err = stream.Recv(); err == nil && !count(len(frame.GetEvents().GetEvents())) {
			return nil
		}
	}
	return longshore.Typed(err)
}
