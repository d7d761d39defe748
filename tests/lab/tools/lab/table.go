package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// target says what happens to port-forwards to one pod, or to one port of it.
type target struct {
	Address string `json:"address"` // where the pod's process really listens
	Fault   string `json:"fault"`   // "", refuse, hang or reset
	DelayMS int    `json:"delayMs"` // before the pod's port is dialled
	Opened  int    `json:"opened"`  // port-forwards begun so far
	Open    int    `json:"open"`    // port-forwards going on now

	live map[io.Closer]struct{}
}

// table is what the lab's control port edits: "NS/POD:PORT" or "NS/POD" -> target.
type table struct {
	mu      sync.Mutex
	targets map[string]*target
}

// begin counts a port-forward and answers with a copy of its target and how to tell of its end.
func (t *table) begin(pod string, port int32, stream io.Closer) (target, func(), bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.targets[fmt.Sprintf("%s:%d", pod, port)]
	if !ok {
		found, ok = t.targets[pod]
	}
	if !ok {
		return target{}, func() {}, false
	}
	found.Opened++
	found.Open++
	found.live[stream] = struct{}{}
	return *found, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		found.Open--
		delete(found.live, stream)
	}, true
}

func (t *table) put(key string, wanted target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	wanted.live = map[io.Closer]struct{}{}
	if old, ok := t.targets[key]; ok {
		old.Address, old.Fault, old.DelayMS = wanted.Address, wanted.Fault, wanted.DelayMS
		return
	}
	t.targets[key] = &wanted
}

// remove forgets a target; drop ends its port-forwards abnormally and keeps it.
func (t *table) remove(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.targets, key)
}

func (t *table) drop(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found, ok := t.targets[key]; ok {
		for stream := range found.live {
			go stream.Close()
		}
	}
}

// ServeHTTP is the control port: GET /, PUT /NS/POD[:PORT] with a target as JSON, DELETE, and
// POST /NS/POD[:PORT] to drop what is open.
func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Path[1:]
	switch r.Method {
	case http.MethodPut:
		var wanted target
		if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		t.put(key, wanted)
	case http.MethodDelete:
		t.remove(key)
	case http.MethodPost:
		t.drop(key)
	default:
		t.mu.Lock()
		defer t.mu.Unlock()
		_ = json.NewEncoder(w).Encode(t.targets)
	}
}

func (t target) delay() time.Duration { return time.Duration(t.DelayMS) * time.Millisecond }
