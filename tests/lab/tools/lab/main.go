package main

import (
	_ "k8s.io/cri-streaming/pkg/streaming/portforward"
)

func main() {}
