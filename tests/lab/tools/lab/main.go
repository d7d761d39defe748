// Command endpoint is the part of a kubelet that the lab needs and kwok does not play well: the
// server behind `pods/portforward`, and the keys and certificates of the lab's servers.
//
//	endpoint pki DIR                                  writes the lab's keys and certificates
//	endpoint serve --listen A --control A --pki DIR   serves port-forwards
//
// A port-forward ends here as it ends under containerd and CRI-O, because clients must be tested
// against that: bytes are copied both ways, the first direction to end gives the other one second,
// then everything is closed, and an abnormal end is a sentence on the error stream. (kwok 0.8 waits
// for both directions and so never passes on a close.)
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "endpoint:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 && args[0] == "pki" {
		return writePKI(args[1])
	}
	if len(args) > 0 && args[0] == "serve" {
		return serve(args[1:])
	}
	return fmt.Errorf("usage: endpoint pki DIR | endpoint serve --listen A --control A --pki DIR")
}
