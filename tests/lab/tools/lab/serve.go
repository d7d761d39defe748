package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
)

const (
	idleTimeout   = 4 * time.Hour    // the kubelet's
	streamsWithin = 30 * time.Second // the kubelet's
	lastSecond    = time.Second      // containerd's
)

func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", "", "where the apiserver finds its kubelet (TLS)")
	control := flags.String("control", "", "where the lab edits the table (plain HTTP)")
	pki := flags.String("pki", "", "directory of kubelet.crt and kubelet.key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pods := &table{targets: map[string]*target{}}
	failed := make(chan error, 2)
	go func() { failed <- http.ListenAndServe(*control, pods) }()
	go func() {
		mux := http.NewServeMux()
		mux.HandleFunc("/portForward/", func(w http.ResponseWriter, r *http.Request) { answer(pods, w, r) })
		server := &http.Server{Addr: *listen, Handler: mux}
		failed <- server.ListenAndServeTLS(filepath.Join(*pki, "kubelet.crt"), filepath.Join(*pki, "kubelet.key"))
	}()
	return <-failed
}

// answer serves /portForward/NAMESPACE/POD[/UID].
func answer(pods *table, w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/portForward/"), "/")
	if len(path) < 2 {
		http.NotFound(w, r)
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	uid := strings.Join(path[2:], "")
	portforward.ServePortForward(w, r, forwarder{pods}, path[0]+"/"+path[1], uid, options,
		idleTimeout, streamsWithin, portforward.SupportedProtocols)
}

type forwarder struct{ pods *table }

// PortForward carries one connection; the error it returns is put on the error stream.
func (f forwarder) PortForward(_ context.Context, pod, _ string, port int32, stream io.ReadWriteCloser) error {
	to, end, known := f.pods.begin(pod, port, stream)
	defer end()
	time.Sleep(to.delay())
	if !known || to.Fault == "refuse" {
		return refused(port, errors.New("connect: connection refused"))
	}
	if to.Fault == "hang" {
		_, _ = io.Copy(io.Discard, stream)
		return nil
	}
	if to.Fault == "reset" {
		return fmt.Errorf("read tcp4 127.0.0.1:%d: read: connection reset by peer", port)
	}
	conn, err := net.Dial("tcp4", to.Address)
	if err != nil {
		return refused(port, err)
	}
	defer conn.Close()
	return copyBothWays(stream, conn)
}

func refused(port int32, why error) error {
	return fmt.Errorf("failed to connect to localhost:%d inside the pod, IPv4: dial tcp4 127.0.0.1:%d: %w", port, port, why)
}

func copyBothWays(stream io.ReadWriter, conn net.Conn) error {
	ended := make(chan error, 2)
	copyOne := func(to io.Writer, from io.Reader) {
		_, err := io.Copy(to, from)
		ended <- err
	}
	go copyOne(stream, conn)
	go copyOne(conn, stream)
	first := <-ended
	select {
	case second := <-ended:
		if first == nil {
			first = second
		}
	case <-time.After(lastSecond):
	}
	return first
}
